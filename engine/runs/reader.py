"""Reads events.jsonl by byte offset while somebody else appends to it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from engine.errors import EXIT_NO, TailfinError
from engine.runs.events import Event, decode

_CHUNK = 256 * 1024


class Reader:
    """Yields whole records only: a half line is the end of the file until its newline comes.

    `skipped` counts malformed and unknown lines. A file that shrank or was replaced is read anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._inode = 0
        self._half = b""
        self.skipped = 0

    def read(self, max_records: int = 100_000, max_s: float = 10.0) -> list[Event]:
        """New records since the last call, bounded in number and in seconds."""
        events: list[Event] = []
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._read_from(fd, events, max_records, time.monotonic() + max_s)
            finally:
                os.close(fd)
        except FileNotFoundError:
            return events
        except OSError as error:
            raise unreadable(self._path, error) from None
        return events

    def _read_from(self, fd: int, events: list[Event], max_records: int, deadline: float) -> None:
        stat = os.fstat(fd)
        whole = self._offset - len(self._half)
        if stat.st_ino == self._inode and whole <= stat.st_size < self._offset:
            # The writer took back a record that the disk had cut in half.
            self._offset, self._half = whole, b""
        if stat.st_ino != self._inode or stat.st_size < self._offset:
            self._inode, self._offset, self._half = stat.st_ino, 0, b""
        while len(events) < max_records and time.monotonic() < deadline:
            chunk = os.pread(fd, _CHUNK, self._offset)
            if not chunk:
                return
            self._offset += self._take(chunk, events, max_records)

    def _take(self, chunk: bytes, events: list[Event], max_records: int) -> int:
        """Decode the chunk's whole lines; return how many of its bytes were used up."""
        used = 0
        while True:
            end = chunk.find(b"\n", used)
            if end < 0:
                self._half += chunk[used:]
                return len(chunk)
            if len(events) >= max_records:
                return used
            line = self._half + chunk[used:end]
            self._half = b""
            used = end + 1
            if not line.strip():
                continue
            event = decode(line)
            if event is None:
                self.skipped += 1
            else:
                events.append(event)


def read_all(path: Path) -> list[Event]:
    """Every whole record in the file."""
    reader = Reader(path)
    events: list[Event] = []
    while batch := reader.read():
        events += batch
    return events


def unreadable(path: Path, error: OSError) -> TailfinError:
    """What a person is told where a log cannot be read."""
    return TailfinError(
        f"{path} could not be read: {error.strerror}.",
        "Check its owner and permissions.",
        where=path,
        exit_code=EXIT_NO,
    )
