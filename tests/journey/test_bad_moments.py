"""Keys and faults at the worst moment of starting a run: nothing twice, nothing half, all said."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.bundled import bundled
from engine.runs.state import LIVE, observe
from engine.runs.store import RunFolder
from tests.journey.box import PROMPT, Box
from tests.journey.reading import framed, says, says_not
from tests.journey.wizard import PATIENCE_S, await_step, go_to
from tests.process import wait_until
from tests.tmux import Tmux, available

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(available()), reason=available()),
]
ENTER = "\r"


def test_ctrl_c_during_a_check_leaves_at_once_and_leaves_nothing(box: Box) -> None:
    with box.shell() as terminal:
        terminal.send("tailfin demo")
        terminal.keys("enter")
        terminal.wait_for("5 review", PATIENCE_S)
        terminal.keys("ctrl+c")
        _wait_for_shell(terminal)
        # the data step reads and counts in children of its own
        terminal.send("clear; tailfin demo")
        terminal.keys("enter")
        go_to(terminal, "model")
        terminal.keys("enter")
        terminal.wait_for("Held out")
        terminal.keys("ctrl+c")
        _wait_for_shell(terminal)
        says_not(terminal, "Traceback", "goes on", "mistake")
        deadline = time.monotonic() + 10
        while left := box.processes("-P"):
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
    assert not box.found_runs()


@pytest.mark.parametrize("after_s", [0.0, 0.25, 0.5])
def test_ctrl_c_during_the_start_leaves_one_run_and_says_so(box: Box, after_s: float) -> None:
    with box.shell() as terminal:
        terminal.send("tailfin demo")
        terminal.keys("enter")
        go_to(terminal, "review")
        terminal.keys("enter")
        time.sleep(after_s)
        terminal.keys("ctrl+c")
        _wait_for_shell(terminal)
        run = box.only_run()
        says(terminal, f"{run.id} goes on.", f"tailfin stop {run.id}")
    _assert_lives(run)


def test_a_hammered_enter_starts_one_run(box: Box) -> None:
    """From the first step on, as somebody does whose link hangs, and then on Start itself."""
    with box.tailfin("demo") as terminal:
        await_step(terminal, "box")
        deadline = time.monotonic() + PATIENCE_S
        while "the run goes on" not in terminal.text:
            assert time.monotonic() < deadline, framed(terminal.text)
            terminal.send(ENTER * 10)
            time.sleep(0.02)
        run = box.only_run()
        terminal.send(ENTER * 10)
        terminal.wait_for("STARTING", PATIENCE_S)
        assert box.found_runs() == [run]
        assert len(box.processes("engine.supervise")) == 1
        workers = box.processes("engine.worker", "train")  # a supervisor names its worker, too
        assert len(workers) == 2, workers
    _assert_lives(run)


def test_a_disk_that_fills_up_before_the_start_is_said_and_waited_for(box: Box) -> None:
    with _small_volume(box.runs), box.tailfin("demo") as terminal:
        go_to(terminal, "review")
        _resize(box.runs, "100m")
        terminal.keys("enter")
        terminal.wait_for("FAIL  The volume of", PATIENCE_S)
        says(terminal, "a run needs at least", "Free space, or name a folder", "[ Start")
        assert not box.found_runs()
        _resize(box.runs, "12g")
        terminal.keys("enter")
        terminal.wait_for("the run goes on", PATIENCE_S)
        run = box.only_run()
        _assert_lives(run)
        box.clear()


def test_a_broken_file_is_named_by_line_and_a_good_one_goes_on(box: Box) -> None:
    samples = bundled("samples")
    with box.tailfin(columns=100, lines=30) as terminal:
        terminal.wait_for("New run", PATIENCE_S)
        terminal.keys("n")
        await_step(terminal, "box")
        terminal.keys("enter")
        terminal.wait_for("Name a base model")
        terminal.send(str(samples / "model"))
        await_step(terminal, "model")
        terminal.keys("enter")
        terminal.wait_for("Name a data file")

        terminal.send(f"{samples}/broken/trailing_comma.json")
        terminal.wait_for("broken JSON at", PATIENCE_S)
        says(terminal, "FAIL", "line 70, column 1", "a trailing comma")
        terminal.keys("enter")  # cannot lead on
        terminal.keys("ctrl+u")
        terminal.send(f"{samples}/broken.jsonl")
        terminal.wait_for("16 bad rows out", PATIENCE_S)
        terminal.wait_for("9 usable of 25")
        says(terminal, "3 rows could not be parsed", "lines 2, 3, 25")
        terminal.keys("ctrl+u")
        terminal.send(f"{samples}/good.jsonl")
        terminal.wait_for("400 usable of 400", PATIENCE_S)
        await_step(terminal, "data")
        says_not(terminal, "FAIL")
    assert not box.found_runs()


def _wait_for_shell(terminal: Tmux) -> None:
    terminal.wait_for(lambda text: text.rstrip().endswith(PROMPT), PATIENCE_S)


def _assert_lives(run: RunFolder) -> None:
    """It came up and is at work, with nobody looking."""
    wait_until(run, lambda observed: bool(observed.status.stage))
    assert observe(run).state in LIVE


@contextlib.contextmanager
def _small_volume(folder: Path) -> Iterator[None]:
    """A volume that could hold 12 GiB; the test is left out where none can be made."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12g", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no volume can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _resize(volume: Path, size: str) -> None:
    """Give the volume another size: that costs no memory, filling it up would."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(volume)], check=True)
