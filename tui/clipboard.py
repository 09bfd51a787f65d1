"""Copying over SSH: to the terminal's clipboard where it listens, and always to a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from textual.app import App


def copied_file(env: Mapping[str, str] | None = None) -> Path:
    """The file that holds what was copied last."""
    env = os.environ if env is None else env
    cache = env.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "tailfin" / "copied.txt"


def copy(app: App[object], text: str) -> str:
    """Copy a text; returns a sentence that says where it can be found.

    Many terminals ignore the escape that sets their clipboard (OSC 52), tmux drops it by default
    and none says so: what stands in a file is never lost.
    """
    app.copy_to_clipboard(text)
    file = copied_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        return f"Copied, if your terminal allows it; {file} could not be written: {error.strerror}."
    return f"Copied; it also stands in {_from_home(file)}"


def _from_home(file: Path) -> str:
    home = Path.home()
    return f"~/{file.relative_to(home)}" if file.is_relative_to(home) else str(file)
