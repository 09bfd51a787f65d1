"""The lock: named holders, death frees it, children do not keep it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.runs.lock import Held, Lock, holder

_HOLD = """
import os, sys, time
from pathlib import Path
from engine.errors import TailfinError
from engine.runs.lock import Lock
lock = Lock(Path(sys.argv[1]))
if len(sys.argv) > 2 and os.fork() == 0:
    time.sleep(60)  # a data-loader child that outlives its parent
    os._exit(0)
print("held", flush=True)
time.sleep(60)
"""


def _holding(path: Path, *more: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path), *more],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def test_the_holder_is_named_and_asking_does_not_disturb_it(tmp_path: Path) -> None:
    path = tmp_path / "worker.lock"
    assert holder(path) is None
    process = _holding(path)
    try:
        assert [holder(path) for _ in range(3)] == [process.pid] * 3
    finally:
        _end(process)
    assert holder(path) is None


def test_a_second_one_is_refused_with_the_holders_name(tmp_path: Path) -> None:
    path = tmp_path / "worker.lock"
    process = _holding(path)
    code = (
        "import sys; from pathlib import Path; from engine.runs.lock import Held, Lock\n"
        "try: Lock(Path(sys.argv[1]))\nexcept Held as held: print(held.pid)"
    )
    try:
        again = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
        assert int(again.stdout) == process.pid
    finally:
        _end(process)


def test_a_killed_holder_is_gone_although_its_child_lives(tmp_path: Path) -> None:
    path = tmp_path / "worker.lock"
    process = _holding(path, "fork")
    try:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 5
        while holder(path) is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert holder(path) is None
        # the child is still there: its process group still takes signals
        os.killpg(process.pid, 0)
    finally:
        _end(process)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EROFS, errno.EIO])
def test_a_volume_without_locks_says_so_and_blames_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_words: object) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "worker.lock"
    monkeypatch.setattr(fcntl, "lockf", refuse)
    with pytest.raises(TailfinError, match=os.strerror(number)) as caught:
        Lock(path)
    assert caught.value.where == str(path)
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with pytest.raises(TailfinError, match=os.strerror(number)) as caught:
        holder(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EAGAIN])
def test_either_word_for_held_means_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_words: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with pytest.raises(Held):
        Lock(tmp_path / "worker.lock")
