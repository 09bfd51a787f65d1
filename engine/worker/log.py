"""The worker's raw output: a log line that does not fit on the disk must not end the run."""

from __future__ import annotations

import sys
from typing import TextIO


class TolerantStream:
    """A text stream that drops what the disk refuses, and is the stream in all else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            return

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def tolerate_full_disk() -> None:
    """From here on `print` never raises for a full disk; the journal has its own reserve."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, TolerantStream):
            setattr(sys, name, TolerantStream(stream))
