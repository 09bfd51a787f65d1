"""A link that dies without a word: the run notices nothing, the screen is right after its return.

The kernel's buffer fills up within seconds, then the screens' own process hangs in its write.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable

import pytest

from engine.runs.events import Step
from engine.runs.reader import read_all
from engine.runs.store import RunFolder
from tests.journey.box import Box, step_of
from tests.journey.reading import framed
from tests.live_run import LiveRun
from tests.process import start, wait_for_step
from tests.terminal import Terminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
DEAD_S = 30.0
BACK_WITHIN_S = 2.0
STEPS_PER_S = 4.0
# Half a minute and more of real training; an evaluation would interrupt the steps.
TRAINING: dict[str, object] = {
    "train.max_steps": 2000,
    "eval.at_start": False,
    "eval.every_steps": 2000,
    "data.eval_max_rows": 8,
}


def test_a_reader_stalled_for_half_a_minute(box: Box) -> None:
    real = start(box.work, TRAINING, {"HOME": str(box.home)})
    wait_for_step(real, 3, 120)
    with (
        LiveRun(box.runs / "paced", steps_per_s=STEPS_PER_S, max_steps=5000) as paced,
        LiveRun(box.runs / "ending", steps_per_s=STEPS_PER_S, max_steps=5000) as ending,
        box.tailfin("attach", str(real.path)) as on_real,
        box.tailfin("attach", str(paced.run.path), columns=120, lines=40) as on_paced,
        box.tailfin("attach", str(ending.run.path)) as on_ending,
    ):
        terminals = (on_real, on_paced, on_ending)
        for terminal in terminals:
            terminal.wait_for("RUNNING  step", 60)
        cpu_before_s = [terminal.cpu_s for terminal in terminals]
        real_before, paced_before = step_of(real), step_of(paced.run)
        for terminal in terminals:
            terminal.stall()
        received = [terminal.bytes_received for terminal in terminals]
        died_at, died = time.monotonic(), time.time()

        time.sleep(DEAD_S / 2)
        ending.finish()
        time.sleep(died_at + DEAD_S - time.monotonic())
        assert [terminal.bytes_received for terminal in terminals] == received

        real_after, paced_after = step_of(real), step_of(paced.run)
        back_at = time.monotonic()
        for terminal in terminals:
            terminal.unstall()
        _right_again(on_real, lambda text: _shown_step(text) >= real_after, back_at)
        _right_again(on_paced, lambda text: _shown_step(text) >= paced_after, back_at)
        _right_again(on_ending, lambda text: "FINISHED" in text, back_at)

        # the run went its pace all the time
        assert real_after > real_before + 10
        assert _longest_gap_s(real, died, died + DEAD_S) < 5 * _typical_gap_s(real, died)
        assert paced_after - paced_before == pytest.approx(DEAD_S * STEPS_PER_S, abs=4)
        # and nobody burned a core over it
        for terminal, before_s in zip(terminals, cpu_before_s, strict=True):
            assert terminal.cpu_s - before_s < 0.2 * DEAD_S

        # what stands there is what a fresh look shows, to the last cell
        on_ending.wait_quiet()
        with box.tailfin("attach", str(ending.run.path)) as fresh:
            fresh.wait_for("FINISHED", 30)
            fresh.wait_for("[ Result ]" if ending.run.result else "[ What happened ]")
            fresh.wait_quiet()
            assert on_ending.screen == fresh.screen, framed(on_ending.text + "\n\n" + fresh.text)


def _right_again(terminal: Terminal, is_right: Callable[[str], bool], back_at: float) -> None:
    terminal.wait_for(is_right, 30)
    assert time.monotonic() - back_at < BACK_WITHIN_S


def _shown_step(screen: str) -> int:
    number = screen.partition("RUNNING  step ")[2].partition("/")[0].replace(",", "")
    return int(number) if number.isdigit() else -1


def _longest_gap_s(run: RunFolder, since: float, until: float) -> float:
    times = _step_times(run)
    inside = [since, *(time for time in times if since < time < until), until]
    return max(after - before for before, after in itertools.pairwise(inside))


def _typical_gap_s(run: RunFolder, until: float) -> float:
    """The median time between steps before, at least what a busy box adds to any of them."""
    times = [time for time in _step_times(run) if time < until]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    return max(statistics.median(gaps), 0.4)


def _step_times(run: RunFolder) -> list[float]:
    return [event.time for event in read_all(run.events) if isinstance(event.body, Step)]
