"""Copying over SSH: to the terminal's clipboard where it listens, and always to a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from textual.app import App

from tui.private_file import cache_file, write_private


def copied_file(env: Mapping[str, str] | None = None) -> Path:
    """The file that holds what was copied last."""
    return cache_file("copied.txt", env)


def copy(app: App[object], text: str) -> str:
    """Copy a text; returns a sentence that says where it can be found.

    Many terminals ignore the escape that sets their clipboard (OSC 52), tmux drops it by default
    and none says so: what stands in a file is never lost.
    """
    app.copy_to_clipboard(text.encode("utf-8", "backslashreplace").decode("utf-8"))
    file = copied_file()
    try:
        write_private(file, f"{text}\n")
    except OSError as error:
        return f"Copied, if your terminal allows it; {file} could not be written: {error.strerror}."
    return f"Copied; it also stands in {_from_home(file)}"


def _from_home(file: Path) -> str:
    home = os.path.expanduser("~")
    return f"~/{file.relative_to(home)}" if file.is_relative_to(home) else str(file)
