"""The monitor of a live run in a real terminal: what it costs, and that leaving ends nothing."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from engine.runs.state import observe
from tests.live_run import LiveRun
from tests.process import COMMAND
from tests.terminal import Terminal

# The promise at 80x24 with a step and a line of log each second.
_MOST_BYTES_PER_S = 3000


def _attach(live: LiveRun, home: Path) -> Terminal:
    command = [*COMMAND, "attach", f"{live.run.path}/"]
    return Terminal(command, cwd=home, env={"HOME": str(home)})


def test_a_live_run_costs_little_and_one_that_has_ended_nothing(tmp_path: Path) -> None:
    with LiveRun(tmp_path / "run", steps_before=300) as live, _attach(live, tmp_path) as terminal:
        terminal.wait_for("cores")
        terminal.wait_for("step 303/1,000")
        before, began = terminal.bytes_received, time.monotonic()
        terminal.wait_for("step 308/1,000")
        spent = (terminal.bytes_received - before) / (time.monotonic() - began)
        assert spent < _MOST_BYTES_PER_S
        assert "q leaves, the run goes on" in terminal.text
        live.finish()
        terminal.wait_for("FINISHED")
        terminal.wait_quiet(1.0)
        before = terminal.bytes_received
        time.sleep(6)  # longer than it takes to look again
        assert terminal.bytes_received == before


def test_leaving_prints_how_to_come_back_and_the_run_goes_on(tmp_path: Path) -> None:
    with LiveRun(tmp_path / "run", steps_per_s=20) as live:
        with _attach(live, tmp_path) as terminal:
            terminal.wait_for("RUNNING")
            terminal.keys("s")
            terminal.wait_for("INFO  save: Saved at step")
            terminal.keys("q")
            assert terminal.wait() == 0
            assert "run goes on." in terminal.text
            assert f"tailfin attach {live.run.path}" in terminal.text.replace("\n", "")
        left_at = observe(live.run).status.step
        time.sleep(0.3)
        assert observe(live.run).status.step > left_at and observe(live.run).state == "running"


def test_a_folder_that_vanishes_and_a_stop_by_key(tmp_path: Path) -> None:
    with LiveRun(tmp_path / "run", steps_per_s=5) as live, _attach(live, tmp_path) as terminal:
        terminal.wait_for("RUNNING")
        terminal.keys("x")
        terminal.wait_for("Stop the run?")
        terminal.keys("y")
        terminal.wait_for("STOPPED")
        terminal.wait_for("[ What happened ]")
        assert observe(live.run).state == "stopped"
        shutil.rmtree(live.run.path)
        terminal.wait_for("FAIL  The run's folder is gone:", timeout_s=15)
        assert terminal.is_alive
        terminal.keys("q")
        assert terminal.wait() == 0
