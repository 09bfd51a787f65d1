"""What is written aside: for its owner alone, and no trouble where it cannot be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.app import App

from tui.clipboard import copied_file, copy
from tui.mishap import record
from tui.private_file import cache_file, write_private


class _App(App[object]):
    def copy_to_clipboard(self, text: str) -> None:
        text.encode("utf-8")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tailfin"


def test_only_the_owner_reads_what_was_copied_or_went_wrong(cache: Path) -> None:
    before = os.umask(0o022)
    try:
        copy(_App(), "secret")
        record(ValueError("x"))
    finally:
        os.umask(before)
    assert cache.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in cache.iterdir()} == {0o600}
    assert len(list(cache.iterdir())) == 2


def test_a_file_that_others_could_read_is_closed_to_them(cache: Path) -> None:
    cache.mkdir(parents=True)
    copied_file().write_text("a much longer text than the next one")
    copied_file().chmod(0o644)
    copy(_App(), "short")
    assert copied_file().read_text() == "short\n"
    assert copied_file().stat().st_mode & 0o777 == 0o600


def test_a_name_that_is_no_text_is_copied_all_the_same() -> None:
    assert "could not" not in copy(_App(), "/data/\udcff.jsonl")
    assert copied_file().read_text() == "/data/\\udcff.jsonl\n"


def test_without_a_home_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container that runs under a number nobody gave a name to."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="no home folder"):
        write_private(cache_file("x"), "x")
    assert "there is no home folder" in copy(_App(), "x")
    assert "there is no home folder" in record(ValueError("a \x1b[2J"))
    assert "a \\x1b[2J" in record(ValueError("a \x1b[2J"))
    assert not list(tmp_path.iterdir())
