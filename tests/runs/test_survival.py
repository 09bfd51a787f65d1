"""A run does not belong to its starter: terminals, readers, workers and supervisors die."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from engine.runs.checkpoints import MANIFEST, last_checkpoint
from engine.runs.lock import holder
from engine.runs.state import observe
from engine.runs.store import RunFolder
from tests.process import (
    COMMAND,
    environment,
    only_run,
    start,
    tailfin,
    train_words,
    wait_for_end,
    wait_for_step,
    wait_until,
)

pytestmark = pytest.mark.timeout(240)
LONG: dict[str, object] = {
    "train.max_steps": 400,
    "eval.at_start": False,
    "data.eval_max_rows": 8,
}


def _supervisor(run: RunFolder) -> int:
    pid = holder(run.supervisor_lock)
    assert pid
    return pid


def _end(run: RunFolder) -> None:
    for lock in (run.supervisor_lock, run.worker_lock):
        if pid := holder(lock):
            os.kill(pid, signal.SIGKILL)


def test_the_step_count_rises_without_starter_terminal_and_reader(tmp_path: Path) -> None:
    """SIGKILL of the starter, its pseudo-terminal closed, another reader stopped: nothing stops."""
    main, side = pty.openpty()
    starter = subprocess.Popen(
        [*COMMAND, *train_words(LONG)],
        cwd=tmp_path,
        env=environment({"TAILFIN_RUNS": str(tmp_path / "runs")}),
        stdin=side,
        stdout=side,
        stderr=side,
        start_new_session=True,
    )
    os.close(side)
    deadline = time.monotonic() + 60
    while not (tmp_path / "runs").is_dir() or not any((tmp_path / "runs").iterdir()):
        assert time.monotonic() < deadline and starter.poll() is None
        os.set_blocking(main, False)
        try:
            os.read(main, 65536)
        except BlockingIOError:
            time.sleep(0.05)
    run = only_run(tmp_path)
    try:
        # a second reader whose output nobody takes, stopped in its tracks
        reader = subprocess.Popen(
            [*COMMAND, "attach", str(run.path)],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        wait_for_step(run, 3)
        reader.send_signal(signal.SIGSTOP)
        os.kill(starter.pid, signal.SIGKILL)
        starter.wait()
        os.close(main)
        before = wait_for_step(run, 1).status.step
        observed = wait_for_step(run, before + 5)
        assert observed.state == "running"
        reader.kill()
        reader.wait()
        assert reader.stdout is not None
        reader.stdout.close()

        stop = tailfin("stop", run.id, cwd=tmp_path)
        assert stop.returncode == 0, stop.stderr
        # it answers when the run has ended, with what it learned delivered
        ended = observe(run)
        assert ended.state == "stopped" and holder(run.supervisor_lock) is None
        assert (run.adapter / "adapter_model.safetensors").exists()
        attached = tailfin("attach", run.id, cwd=tmp_path)
        steps = [line for line in attached.stdout.splitlines() if line.startswith("  step 1/")]
        assert attached.returncode == 0 and steps, attached.stdout
        assert [p.step for p in ended.status.steps] == list(range(1, ended.status.step + 1))
    finally:
        _end(run)


def test_a_killed_worker_is_told_and_resume_continues_exactly(tmp_path: Path) -> None:
    run = start(
        tmp_path, LONG | {"train.max_steps": 60, "save.every_steps": 10, "eval.every_steps": 60}
    )
    try:
        observed = wait_until(run, lambda o: any(c.step >= 10 for c in o.status.checkpoints))
        observed = wait_for_step(run, observed.status.step + 2)
        os.kill(observed.worker_pid, signal.SIGKILL)
        killed_at = time.monotonic()
        crashed = wait_until(run, lambda o: o.state == "crashed", timeout_s=5)
        assert time.monotonic() - killed_at < 5
        crashed = wait_until(run, lambda o: "SIGKILL" in o.message, timeout_s=5)
        before = {point.step: point.learning_rate for point in crashed.status.steps}

        whole = last_checkpoint(run.checkpoints)
        assert whole is not None
        # a later one that was cut short while it was saved
        cut = run.checkpoints / f"checkpoint-{whole.step + 1}"
        cut.mkdir()
        (cut / "adapter_model.safetensors").write_bytes(b"half")

        resumed = tailfin("resume", run.id, cwd=tmp_path, timeout_s=150)
        assert resumed.returncode == 0, resumed.stdout + resumed.stderr
        ended = wait_for_end(run)
        assert ended.state == "finished" and ended.status.attempt == 2
        started = ended.status.started
        assert started is not None and started.from_step == whole.step
        assert [p.step for p in ended.status.steps] == list(range(1, 61))
        # the schedule went on: the same steps got the same learning rates, down to the end
        after = {point.step: point.learning_rate for point in ended.status.steps}
        for step, rate in before.items():
            assert after[step] == pytest.approx(rate, rel=1e-12)
        assert after[60] < after[whole.step + 1] < max(after.values())
        assert any(n.id == "checkpoint.cut-short" for n in ended.status.notices)
        assert not (cut / MANIFEST).exists()
    finally:
        _end(run)


def test_a_killed_supervisor_leaves_the_training_and_both_killed_are_told(tmp_path: Path) -> None:
    run = start(tmp_path, LONG)
    try:
        wait_for_step(run, 2)
        os.kill(_supervisor(run), signal.SIGKILL)
        observed = wait_until(run, lambda o: holder(run.supervisor_lock) is None, timeout_s=5)
        assert observed.state == "running"
        observed = wait_for_step(run, observed.status.step + 3)
        os.kill(observed.worker_pid, signal.SIGKILL)
        crashed = wait_until(run, lambda o: o.state == "crashed", timeout_s=5)
        assert "gone" in crashed.message
        shown = tailfin("why", run.id, cwd=tmp_path)
        assert shown.returncode == 1 and f"tailfin resume {run.id}" in shown.stdout
    finally:
        _end(run)


def test_a_stop_before_the_first_step_is_a_stop(tmp_path: Path) -> None:
    """While the libraries are imported the wish waits: raised there it is swallowed or fatal."""
    run = start(tmp_path, LONG)
    try:
        wait_until(run, lambda o: o.status.stage == "import")
        stop = tailfin("stop", run.id, cwd=tmp_path)
        assert stop.returncode == 0, stop.stdout + stop.stderr
        ended = observe(run)
        assert ended.state == "stopped" and ended.status.step == 0
    finally:
        _end(run)


def test_sigterm_to_the_supervisor_saves_and_stops(tmp_path: Path) -> None:
    run = start(tmp_path, LONG)
    try:
        wait_for_step(run, 2)
        os.kill(_supervisor(run), signal.SIGTERM)
        ended = wait_for_end(run)
        assert ended.state == "stopped" and ended.status.stopped is not None
        whole = last_checkpoint(run.checkpoints)
        assert whole is not None and whole.step == ended.status.stopped.step
    finally:
        _end(run)


def test_a_second_worker_is_refused_and_a_save_is_answered(tmp_path: Path) -> None:
    run = start(tmp_path, LONG)
    try:
        observed = wait_for_step(run, 2)
        again = tailfin("resume", run.id, cwd=tmp_path)
        assert again.returncode == 1
        assert f"already at work (process {observed.worker_pid})" in again.stderr
        saved = tailfin("act", run.id, "save", cwd=tmp_path)
        assert saved.returncode == 0 and "Saved checkpoints/checkpoint-" in saved.stdout
        assert observe_steps_rise(run)
    finally:
        tailfin("stop", run.id, cwd=tmp_path)
        wait_for_end(run)
        _end(run)


def test_ctrl_c_in_the_foreground_leaves_the_run(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [*COMMAND, *train_words(LONG)],
        cwd=tmp_path,
        env=environment({"TAILFIN_RUNS": str(tmp_path / "runs")}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("runs/*/events.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    run = only_run(tmp_path)
    try:
        wait_for_step(run, 1)
        os.killpg(starter.pid, signal.SIGINT)
        _, said = starter.communicate(timeout=20)
        assert starter.returncode == 130
        assert f"Left it running. Come back: tailfin attach {run.id}" in said
        assert observe_steps_rise(run)
    finally:
        tailfin("stop", run.id, cwd=tmp_path)
        wait_for_end(run)
        _end(run)


def test_a_removed_folder_ends_its_processes(tmp_path: Path) -> None:
    run = start(tmp_path, {"train.epochs": 1000, "eval.at_start": False})
    observed = wait_for_step(run, 2)
    assert observed.status.started is not None
    worker, supervisor = observed.status.started.pid, _supervisor(run)
    shutil.rmtree(run.path, ignore_errors=True)
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}/status").exists() for pid in (worker, supervisor)):
        assert time.monotonic() < deadline, "training went on with no way to reach it"
        time.sleep(0.1)
    assert not run.events.exists()


def observe_steps_rise(run: RunFolder) -> bool:
    before = wait_for_step(run, 0).status.step
    return wait_for_step(run, before + 2).state == "running"
