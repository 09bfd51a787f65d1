"""Reads a screen and shows the whole of it where something is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

# The parts of a screen are drawn one after another, and on a busy box with pauses between them.
_PATIENCE_S = 20.0


class Shown(Protocol):
    """A terminal whose screen can be waited for: tests/tmux.py or tests/terminal.py."""

    @property
    def text(self) -> str: ...
    def wait_for(self, wanted: str | Callable[[str], bool], timeout_s: float = 10) -> object: ...


def says(terminal: Shown, *wanted: str) -> None:
    """Wait until all of these stand on the screen together; AssertionError, with the screen."""
    _await(terminal, lambda text: [words for words in wanted if not _stands(words, text)], "not")


def says_not(terminal: Shown, *unwanted: str) -> None:
    """Wait until none of these stands on the screen; AssertionError, with the screen."""
    _await(terminal, lambda text: [words for words in unwanted if _stands(words, text)], "still")


def framed(screen: str) -> str:
    return "\n".join(f"|{line}" for line in screen.splitlines())


def _await(terminal: Shown, wrong: Callable[[str], list[str]], how: str) -> None:
    try:
        terminal.wait_for(lambda text: not wrong(text), _PATIENCE_S)
    except AssertionError as error:
        raise AssertionError(f"{how} shown: {wrong(terminal.text)}; {error}") from None


def _stands(words: str, screen: str) -> bool:
    # Where a sentence breaks depends on the length of the paths in it.
    return words in screen or words in " ".join(screen.split())
