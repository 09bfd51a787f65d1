"""The scripted live run: for the product it must look like a worker at work."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runs.acts import answer, request
from engine.runs.events import Step
from engine.runs.reader import read_all
from engine.runs.state import log_tail, observe
from tests.live_run import LiveRun
from tests.process import wait_for_step


def test_it_runs_and_goes_on_from_its_history(tmp_path: Path) -> None:
    with LiveRun(tmp_path / "run", steps_per_s=20, steps_before=120) as live:
        seen = observe(live.run)
        assert seen.state == "running"
        assert seen.worker_pid == live.pid
        assert len(seen.status.steps) >= 120
        assert [e.step for e in seen.status.evals] == [50, 100]
        later = wait_for_step(live.run, 125)
        assert later.state == "running"
        assert log_tail(live.run)[-1].startswith("step 12")


def test_its_pace_is_the_one_asked_for(tmp_path: Path) -> None:
    with LiveRun(tmp_path / "run", steps_per_s=20) as live:
        wait_for_step(live.run, 20)
    times = [e.time for e in read_all(live.run.events) if isinstance(e.body, Step)]
    assert 0.6 < times[19] - times[0] < 2.5


@pytest.mark.parametrize(
    ("end", "state"),
    [(LiveRun.stop, "stopped"), (LiveRun.finish, "finished"), (LiveRun.die, "crashed")],
)
def test_its_ends(tmp_path: Path, end: Callable[[LiveRun], int], state: str) -> None:
    with LiveRun(tmp_path / "run", steps_before=3) as live:
        code = end(live)
    assert code == (-9 if state == "crashed" else 0)
    assert observe(live.run).state == state
    assert observe(live.run).status.step == 3


def test_it_obeys_a_request_to_stop(tmp_path: Path) -> None:
    with LiveRun(tmp_path / "run") as live:
        acted = answer(live.run, request(live.run, "stop"), timeout_s=10)
        assert acted is not None and acted.ok
        deadline = time.monotonic() + 10
        while observe(live.run).state == "running" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert observe(live.run).state == "stopped"
