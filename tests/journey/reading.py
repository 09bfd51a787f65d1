"""Reads a screen and shows the whole of it where something is missing."""

from __future__ import annotations


def says(screen: str, *wanted: str) -> None:
    """AssertionError, with the screen, unless all of these stand on it."""
    # Where a sentence breaks depends on the length of the paths in it.
    flat = " ".join(screen.split())
    missing = [words for words in wanted if words not in screen and words not in flat]
    assert not missing, f"{missing} not on the screen:\n{framed(screen)}"


def says_not(screen: str, *unwanted: str) -> None:
    """AssertionError, with the screen, where one of these stands on it."""
    found = [words for words in unwanted if words in screen]
    assert not found, f"{found} on the screen:\n{framed(screen)}"


def framed(screen: str) -> str:
    return "\n".join(f"|{line}" for line in screen.splitlines())
