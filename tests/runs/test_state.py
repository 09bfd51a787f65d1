"""The state rule: the lock holder first, then the log; other hosts, reboots, young runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from engine.runs.events import Exited, Failed, Finished, Stage
from engine.runs.host import boot_id, host_name
from engine.runs.state import log_tail, observe
from engine.runs.store import RunFolder
from tests.runs.script import Script, started, step

_HOLD = """
import os, sys, time
from pathlib import Path
from engine.runs.lock import Lock
locks = [Lock(Path(name)) for name in sys.argv[1:]]
if os.fork() == 0:
    time.sleep(60)  # a loader child that keeps living
    os._exit(0)
print("held", flush=True)
time.sleep(60)
"""


def _run(tmp_path: Path, script: Script) -> RunFolder:
    run = RunFolder(tmp_path)
    script.write(run.events)
    return run


def _here() -> Script:
    return Script().add(started(host=host_name(), boot_id=boot_id()))


def _hold(*paths: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, *map(str, paths)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def _end(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def test_a_held_lock_means_starting_then_running(tmp_path: Path) -> None:
    run = _run(tmp_path, _here())
    process = _hold(run.worker_lock)
    try:
        assert observe(run).state == "starting"
        assert observe(run).worker_pid == process.pid
        _run(tmp_path, _here().add(Stage(name="load")))
        assert observe(run).state == "starting"
        _run(tmp_path, _here().add(Stage(name="train")))
        assert observe(run).state == "running"
        _run(tmp_path, _here().add(step(1)))
        assert observe(run).state == "running"
    finally:
        _end(process)


def test_a_killed_worker_is_crashed_although_its_children_live(tmp_path: Path) -> None:
    run = _run(tmp_path, _here().add(step(1)))
    process = _hold(run.worker_lock)
    try:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert observe(run).state == "crashed"
        os.killpg(process.pid, 0)
    finally:
        _end(process)


def test_before_the_worker_has_its_lock_a_live_supervisor_means_starting(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.spec.touch()
    process = _hold(run.supervisor_lock)
    try:
        assert observe(run).state == "starting"
    finally:
        _end(process)
    assert observe(run).state == "crashed"


def test_endings_are_what_the_log_says(tmp_path: Path) -> None:
    finished = Finished(step=1, result="adapter", message="done")
    failed = Failed(error="oom", phase="forward", message="memory ran out", hint="resume")
    exited = Exited(exit_code=-9, signal="SIGKILL", oom_kills=1, message="the kernel killed it")
    for body, state in ((finished, "finished"), (failed, "failed"), (exited, "crashed")):
        observed = observe(_run(tmp_path, _here().add(body)))
        assert (observed.state, observed.message) == (state, body.message)


def test_a_copy_on_another_host_is_not_taken_for_a_crash_here(tmp_path: Path) -> None:
    run = _run(tmp_path, Script().add(started(host="gone-box", boot_id="other"), step(1)))
    observed = observe(run)
    assert observed.state == "elsewhere" and "gone-box" in observed.message


def test_a_reboot_is_named(tmp_path: Path) -> None:
    run = _run(tmp_path, Script().add(started(host=host_name(), boot_id="another-boot"), step(1)))
    observed = observe(run)
    assert observed.state == "crashed" and "restarted" in observed.message


def test_the_log_tail_shows_the_last_state_of_a_progress_line(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.worker_log.write_bytes(b"first\n 10%\r 50%\r100%\n\n\xff broken\n")
    assert log_tail(run) == ["first", "100%", "\ufffd broken"]
