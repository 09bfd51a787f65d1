"""A run does not belong to the screens: they are left, killed and cut off, and it goes on."""

from __future__ import annotations

import os
import re
import signal

import psutil
import pytest

from engine.runs.store import RunFolder
from tests.journey.box import PROMPT, Box, step_of
from tests.journey.reading import says, says_not
from tests.journey.wizard import PATIENCE_S, choose_epochs, go_to
from tests.process import wait_for_end, wait_for_step
from tests.tmux import Tmux, available

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(bool(available()), reason=available()),
]
TRAINING_S = 240.0


def test_q_says_that_the_run_goes_on_and_everything_is_there_again(box: Box) -> None:
    with box.shell() as terminal:
        run = _start_the_demo(box, terminal)
        terminal.keys("q")
        terminal.wait_for(lambda text: text.rstrip().endswith(PROMPT))
        says(terminal, f"{run.id} goes on.", f"tailfin attach {run.id}", f"tailfin stop {run.id}")
        says_not(terminal, "q leaves")
        assert not _screens(box)
        _wait_for_more_steps(run)

        # home has it, with its steps, and the monitor all that happened meanwhile
        terminal.keys(*"tailfin", "enter")
        terminal.wait_for(lambda text: run.id in text and "running" in text, PATIENCE_S)
        says(terminal, "/50")
        terminal.keys("q")
        terminal.wait_for(lambda text: text.rstrip().endswith(PROMPT))
        terminal.send("tailfin attach last")
        terminal.keys("enter")
        monitor = terminal.wait_for(lambda text: "RUNNING  step" in text, PATIENCE_S)
        shown = _shown_step(monitor)
        assert step_of(run) - 3 <= shown <= step_of(run), "an old picture"
        says(terminal, run.id)
        terminal.wait_for(_begins_at_the_first_loss)

        terminal.wait_for("> [ Result ]", TRAINING_S)
        says(terminal, "FINISHED  step 50/50")
    _assert_whole(run)


def test_terminals_die_in_the_middle_and_the_run_reaches_its_end(box: Box) -> None:
    """tmux killed, a pseudo-terminal hung up, the screens killed: no step is lost."""
    with box.shell() as terminal:
        run = _start_the_demo(box, terminal)
        terminal.kill()
        psutil.wait_procs(_screens(box), timeout=10)
        assert not _screens(box), "the screens outlived their terminal"
    _wait_for_more_steps(run)

    with box.tailfin("attach", "last") as line:
        line.wait_for("RUNNING  step", PATIENCE_S)
        line.hangup()
        line.wait(10)
    _wait_for_more_steps(run)

    with box.tailfin("attach", "last") as line:
        line.wait_for("RUNNING  step", PATIENCE_S)
        os.kill(line.pid, signal.SIGKILL)
        line.wait(10)
    _wait_for_more_steps(run)

    # whoever comes back finds it at work, or done
    with box.shell(120, 40) as terminal:
        terminal.send("tailfin")
        terminal.keys("enter")
        terminal.wait_for(run.id, PATIENCE_S)
        terminal.wait_for(lambda text: "finished" in text, TRAINING_S)
        terminal.keys("enter")
        terminal.wait_for("[ Compare base and tuned ]")
        says(terminal, "FINISHED", "adapter")
        terminal.keys("m")
        terminal.wait_for("FINISHED  step 50/50")
        terminal.wait_for(_begins_at_the_first_loss)
    _assert_whole(run)


def _start_the_demo(box: Box, terminal: Tmux) -> RunFolder:
    """Two epochs of it, from the wizard; returns at the third step."""
    terminal.send("tailfin demo")
    terminal.keys("enter")
    go_to(terminal, "method")
    choose_epochs(terminal, "2")
    terminal.keys("enter")
    go_to(terminal, "review", since="review")
    terminal.keys("enter")
    run = box.only_run()
    terminal.wait_for("q leaves, the run goes on", PATIENCE_S)
    wait_for_step(run, 3)
    terminal.wait_for("RUNNING  step", PATIENCE_S)
    return run


def _screens(box: Box) -> list[psutil.Process]:
    return box.processes("-m", "tui")


def _wait_for_more_steps(run: RunFolder) -> None:
    """At least three more steps than now, nobody looking."""
    observed = wait_for_step(run, step_of(run) + 3)
    assert observed.state == "running", observed


def _shown_step(screen: str) -> int:
    return int(screen.partition("RUNNING  step ")[2].partition("/")[0].replace(",", ""))


def _begins_at_the_first_loss(monitor: str) -> bool:
    """Whether the chart's axis reaches the losses of the first steps, which were above 6."""
    return re.search(r"(5\.0|6|6\.0) \|", monitor) is not None


def _assert_whole(run: RunFolder) -> None:
    ended = wait_for_end(run, TRAINING_S)
    assert ended.state == "finished" and ended.status.attempt == 1
    assert [point.step for point in ended.status.steps] == list(range(1, 51))
