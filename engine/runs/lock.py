"""POSIX record locks: who holds a run, asked without disturbing the holder.

flock would be inherited by forked data-loader children and make a killed run look alive; a record
lock belongs to one process and dies with it. The price: closing *any* descriptor of the file in
the holding process drops the lock, so a lock file is opened nowhere else.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from engine.errors import EXIT_NO, TailfinError

# struct flock on 64-bit Linux: l_type, l_whence, padding, l_start, l_len, l_pid
_FLOCK = "hhxxxxqqixxxx"


class Held(Exception):
    """Another process holds the lock; `pid` names it (0 where it cannot be seen)."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid


class Lock:
    """An exclusive lock on a file, kept until the process ends or `release` is called.

    Raises Held where another process has it, and TailfinError where the file cannot be locked at
    all, as on a network volume without locks.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise _no_locks(path, error) from None
            raise Held(holder(path) or 0) from None

    def release(self) -> None:
        os.close(self._fd)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a file for the length of a block, against other threads of this process too.

    For short work that starts no long-lived child without exec: flock goes with every fork.
    Raises Held where somebody has it, TailfinError where the file cannot be locked at all.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(0) from None
        except OSError as error:
            raise _no_locks(path, error) from None
        yield
    finally:
        os.close(fd)


def holder(path: Path) -> int | None:
    """Process id of the holder; None where the lock is free, 0 where the id cannot be seen.

    Does not see a lock of the calling process itself. Raises TailfinError where its volume
    does not tell.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        query = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(fd, fcntl.F_GETLK, query)
    except OSError as error:
        raise _no_locks(path, error) from None
    finally:
        os.close(fd)
    kind, _, _, _, pid = struct.unpack(_FLOCK, answer)
    return None if kind == fcntl.F_UNLCK else max(0, int(pid))


def _no_locks(path: Path, error: OSError) -> TailfinError:
    return TailfinError(
        f"The file {path} could not be locked: {error.strerror}.",
        "Put the runs on a volume that has file locks, such as a local disk, with --runs DIR.",
        where=path,
        exit_code=EXIT_NO,
    )
