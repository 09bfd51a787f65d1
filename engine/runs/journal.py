"""The writer of events.jsonl: numbers, one write per record, and a reserve for a full disk."""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from pathlib import Path

from engine.runs.events import TERMINAL, Body, Checkpointed, Event, decode, encode

# Freed when the disk is full, so that the last words of a run still find room.
RESERVE_BYTES = 64 * 1024
_MAX_PENDING = 1000


class Journal:
    """Appends events to a run's log; exactly one process may hold one at a time.

    Opening ends a torn last line with a newline, so nothing of a killed writer is glued to what
    follows. A full disk never raises: records wait in memory and go out when there is room, the
    terminal one into the freed reserve, with as many of the latest before it as leave it room.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserve = path.with_name(".reserve")
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._pending: deque[bytes] = deque(maxlen=_MAX_PENDING)
        # Goes out in front of the next record, so that no drop of waiting records can lose it.
        self._line_end = b""
        self._next_seq = self._prepare()
        self._make_reserve()

    def write(self, body: Body) -> Event:
        """Append one event; checkpoint and terminal ones are flushed to the disk itself."""
        event = Event(seq=self._next_seq, time=time.time(), body=body)
        self._next_seq += 1
        last_words = isinstance(body, TERMINAL)
        if last_words:
            self._free_reserve()
        self._pending.append(encode(event))
        self._flush()
        if last_words or isinstance(body, Checkpointed):
            try:
                os.fsync(self._fd)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EINVAL, errno.EIO):
                    raise
        return event

    def close(self) -> None:
        """Let go of the log; what still waits for room goes into the reserve."""
        self._free_reserve()
        self._flush()
        os.close(self._fd)

    def _free_reserve(self) -> None:
        """Make room for a last record: what waits may take half of the reserve, the oldest go."""
        self._flush()
        waiting = sum(len(line) for line in self._pending)
        while waiting > RESERVE_BYTES // 2:
            waiting -= len(self._pending.popleft())
        self._reserve.unlink(missing_ok=True)

    def _flush(self) -> None:
        while self._pending:
            line = self._line_end + self._pending[0]
            try:
                written = os.write(self._fd, line)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    return
                raise
            if written < len(line):
                # A half record of a filling disk: take it back, a reader sees whole lines only.
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
                return
            self._line_end = b""
            self._pending.popleft()

    def _prepare(self) -> int:
        """See to it that a torn last line gets its end; return the number the next event gets."""
        size = os.fstat(self._fd).st_size
        if size == 0:
            return 0
        if os.pread(self._fd, 1, size - 1) != b"\n":
            self._line_end = b"\n"
        tail = os.pread(self._fd, 256 * 1024, max(0, size - 256 * 1024))
        for line in reversed(tail.splitlines()):
            event = decode(line)
            if event is not None:
                return event.seq + 1
        return tail.count(b"\n") + len(self._line_end)

    def _make_reserve(self) -> None:
        try:
            with open(self._reserve, "wb") as file:
                file.write(b"\0" * RESERVE_BYTES)
        except OSError:
            self._reserve.unlink(missing_ok=True)
