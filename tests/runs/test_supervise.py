"""The supervisor: workers that cannot start, signals at any moment, and what is written of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine import supervise
from engine.runs.events import Exited, Stopped
from engine.runs.reader import read_all
from engine.runs.store import RunFolder
from tests.process import environment
from tests.runs.script import Script, started, step

# Listens to SIGTERM, writes what reached it, and says when it is ready.
_LISTENS = """
import pathlib, signal, sys, time
def on(number, _frame):
    pathlib.Path("got").write_text(str(number))
    sys.exit(5)
signal.signal(signal.SIGTERM, on)
pathlib.Path("hangup").write_text(repr(signal.getsignal(signal.SIGHUP)))
pathlib.Path("ready").touch()
time.sleep(60)
"""
_SLEEPS = "import pathlib, time; pathlib.Path('ready').touch(); time.sleep(60)"


def _supervise(run: RunFolder, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "engine.supervise", str(run.path), *command],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


def test_a_worker_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    process = _supervise(run, "/nonexistent/python", "-c", "pass")
    said, _ = process.communicate(timeout=20)
    (event,) = read_all(run.events)
    assert isinstance(event.body, Exited)
    assert event.body.message == (
        "The worker could not be started: /nonexistent/python: No such file or directory."
    )
    assert process.returncode == event.body.exit_code == 127
    assert event.body.message in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_every_wish_to_stop_reaches_the_worker_as_sigterm(
    tmp_path: Path, number: signal.Signals
) -> None:
    run = RunFolder(tmp_path)
    process = _supervise(run, sys.executable, "-c", _LISTENS)
    _wait_for(tmp_path / "ready")
    process.send_signal(signal.SIGHUP)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert (tmp_path / "got").read_text() == str(int(signal.SIGTERM))
    assert "SIG_DFL" in (tmp_path / "hangup").read_text()
    assert process.returncode == 5


def test_a_worker_stopped_before_it_listens_was_stopped_and_did_not_crash(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    Script().add(started(attempt=2, from_step=4), step(5)).write(run.events)
    process = _supervise(run, sys.executable, "-c", _SLEEPS)
    _wait_for(tmp_path / "ready")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert read_all(run.events)[-1].body == Stopped(
        step=5, reason="It was asked to stop before it could begin."
    )


def test_a_worker_ended_by_somebody_else_is_still_told_as_such(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    _supervise(run, sys.executable, "-c", code).communicate(timeout=20)
    (event,) = read_all(run.events)
    assert isinstance(event.body, Exited) and event.body.signal == "SIGTERM"


def test_a_signal_before_the_worker_exists_is_kept_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, kept = subprocess.Popen, {n: signal.getsignal(n) for n in supervise.LISTENED}

    def interrupted(command: list[str], **words: object) -> subprocess.Popen[bytes]:
        assert threading.current_thread() is threading.main_thread()
        os.kill(os.getpid(), signal.SIGTERM)
        return real(command, **words)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    # Without the handler in place this very process would die: then nothing is kept for anybody.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        supervise.main([str(tmp_path), sys.executable, "-c", "import time; time.sleep(20)"])
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    assert [e.body.kind for e in read_all(tmp_path / "events.jsonl")] == ["stopped"]


def test_the_umask_is_the_starters_own(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    code = "import os; open('mask', 'w').write(oct(os.umask(0)))"
    before = os.umask(0o077)
    try:
        process = _supervise(run, sys.executable, "-c", code)
    finally:
        os.umask(before)
    process.communicate(timeout=20)
    assert (tmp_path / "mask").read_text() == "0o77"
