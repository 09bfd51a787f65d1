"""Files of the screens' own in the person's cache, which nobody else on the box may read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cache_file(name: str, env: Mapping[str, str] | None = None) -> Path:
    """Where a file of that name lies: a relative path, never written, where there is no home."""
    env = os.environ if env is None else env
    return Path(os.path.expanduser(env.get("XDG_CACHE_HOME") or "~/.cache"), "tailfin", name)


def write_private(file: Path, text: str) -> None:
    """Replace a file's text; raises OSError. A box is shared, and what is copied may be secret."""
    if not file.is_absolute():
        raise FileNotFoundError(2, "there is no home folder", str(file))
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    # A name on this disk may hold bytes that are no text.
    with open(fd, "w", encoding="utf-8", errors="backslashreplace") as stream:
        os.fchmod(fd, 0o600)  # one that was there already keeps its mode otherwise
        stream.write(text)
