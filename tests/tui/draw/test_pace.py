"""Speed and time left: of this attempt, by the median, with what evaluations took."""

from __future__ import annotations

import math

import pytest

from engine.runs.events import Evaluated, Progress, Stage
from engine.runs.status import fold_all
from tests.runs.script import started
from tests.tui.scenes import PLAN, begun, make_step, training
from tui.draw.pace import own_steps, pace, quiet_s, rounded
from tui.draw.words import clock


def test_the_time_left_is_the_median_step_times_the_steps_left() -> None:
    steps = [make_step(n) for n in range(1, 101)]
    found = pace(fold_all(begun(*steps).events))
    assert found.step_s == pytest.approx(2.0)
    assert found.left_s == pytest.approx(900 * 2.0)


def test_one_slow_step_moves_nothing() -> None:
    late = [make_step(n, elapsed_s=n * 2.0 + (600 if n > 90 else 0)) for n in range(1, 101)]
    assert pace(fold_all(begun(*late).events)).step_s == pytest.approx(2.0)


def test_what_evaluations_and_checkpoints_took_is_added_per_step() -> None:
    status = fold_all(begun(*training(100)).events)
    pauses_s = 2 * (12.0 + 1.5)
    assert pace(status).left_s == pytest.approx(900 * (2.0 + pauses_s / 100))


def test_a_resumed_run_is_judged_by_its_own_steps() -> None:
    script = begun(*[make_step(n, elapsed_s=n * 60.0) for n in range(1, 501)])
    script.add(started(attempt=2, from_step=500), PLAN, Stage("train"))
    assert math.isnan(pace(fold_all(script.events)).left_s)
    script.add(make_step(501, elapsed_s=9.0))
    assert math.isnan(pace(fold_all(script.events)).left_s)
    script.add(*[make_step(n, elapsed_s=9.0 + (n - 501) * 2.0) for n in range(502, 512)])
    status = fold_all(script.events)
    assert [step.step for step in own_steps(status)] == list(range(501, 512))
    assert [step.step for step in own_steps(status, 3)] == [509, 510, 511]
    assert pace(status).left_s == pytest.approx((1000 - 511) * 2.0)
    status = fold_all(script.add(Evaluated(511, 1.0, elapsed_s=22.0)).events)
    assert pace(status).left_s == pytest.approx((1000 - 511) * (2.0 + 22.0 / 11))


def test_steps_that_are_logged_now_and_then_count_as_many() -> None:
    every_tenth = [make_step(n) for n in range(10, 110, 10)]
    assert pace(fold_all(begun(*every_tenth).events)).step_s == pytest.approx(2.0)


def test_silence_is_named_past_ten_usual_steps_and_half_a_minute() -> None:
    script = begun(*[make_step(n) for n in range(1, 101)])
    status = fold_all(script.events)
    assert quiet_s(status, status.last_time + 29) == 0
    assert quiet_s(status, status.last_time + 31) == pytest.approx(31)
    slow = fold_all(begun(*[make_step(n, elapsed_s=n * 20.0) for n in range(1, 101)]).events)
    assert quiet_s(slow, slow.last_time + 199) == 0
    assert quiet_s(slow, slow.last_time + 201) > 0


def test_an_evaluation_is_no_silence() -> None:
    script = begun(*[make_step(n) for n in range(1, 101)], Progress("eval", 3, 900, "batches"))
    status = fold_all(script.events)
    assert quiet_s(status, status.last_time + 500) == 0
    script.add(Progress("eval", 900, 900, "batches"), Evaluated(100, 1.0))
    done = fold_all(script.events)
    assert quiet_s(done, done.last_time + 500) > 0
    saving = fold_all(script.add(Stage("save")).events)
    assert quiet_s(saving, saving.last_time + 500) == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0:01"),
        (59, "0:59"),
        (61, "1:05"),
        (301, "5:10"),
        (1201, "20:30"),
        (40_000, "11:10:00"),
    ],
)
def test_a_time_left_is_as_exact_as_it_is_known(seconds: float, text: str) -> None:
    assert clock(rounded(seconds)) == text


def test_a_time_left_never_grows_by_rounding_while_it_falls() -> None:
    shown = [rounded(s) for s in range(50_000, 0, -7)]
    assert shown == sorted(shown, reverse=True)
    assert all(text >= s for text, s in zip(shown, range(50_000, 0, -7), strict=True))
