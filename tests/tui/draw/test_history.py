"""The past as curves: the same whether it came at once or step by step."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runs.events import Stage
from engine.runs.status import Status, fold, fold_all
from tests.runs.script import started
from tests.tui.scenes import PLAN, begun, make_step, training
from tui.draw.history import METRICS, Curves, History, Metric

LOSSES = st.lists(
    st.one_of(st.floats(0.1, 9), st.sampled_from([math.nan, math.inf])), min_size=1, max_size=60
)


def _at_once(status: Status) -> History:
    history = History()
    history.update(status)
    return history


@given(losses=LOSSES, cut=st.integers(0, 60), metric=st.sampled_from(METRICS))
def test_step_by_step_is_all_at_once(losses: list[float], cut: int, metric: Metric) -> None:
    events = begun(*[make_step(n, loss=y) for n, y in enumerate(losses, 1)]).events
    growing, status = History(), Status()
    for number, event in enumerate(events):
        status = fold(status, event)
        if number >= cut:
            growing.update(status)
    growing.update(status)
    whole = _at_once(status)
    assert repr(growing.curves(metric)) == repr(whole.curves(metric))
    assert repr(growing.trend()) == repr(whole.trend())


def test_a_resume_takes_back_what_did_not_happen() -> None:
    script = begun(*training(180))
    history = _at_once(fold_all(script.events))
    assert history.curves("loss").raw[0][-1] == 180
    script.add(started(attempt=2, from_step=100), PLAN, Stage("train"), make_step(101, loss=7.0))
    history.update(fold_all(script.events))
    curves = history.curves("loss")
    assert curves.raw[0][-2:] == [100, 101] and curves.raw[1][-1] == 7.0
    assert list(curves.held_out[0]) == [50, 100]
    assert (100.0, "resumed") in curves.marks
    assert repr(history.trend()) == repr(_at_once(fold_all(script.events)).trend())


def test_an_attempt_that_repeats_as_many_steps_is_not_taken_for_the_old_one() -> None:
    script = begun(*[make_step(n) for n in range(1, 11)])
    history = _at_once(fold_all(script.events))
    script.add(started(attempt=2), *[make_step(n, loss=5.0) for n in range(1, 11)])
    history.update(fold_all(script.events))
    assert set(history.curves("loss").raw[1]) == {5.0}


def test_the_change_is_that_of_the_last_tenth() -> None:
    falling = [make_step(n, loss=3.0 - n * 0.01) for n in range(1, 201)]
    trend = _at_once(fold_all(begun(*falling).events)).trend()
    assert trend.over_steps == 20
    assert trend.change == pytest.approx(-0.2, abs=0.02)
    few = _at_once(fold_all(begun(*falling[:5]).events)).trend()
    assert math.isnan(few.change)


def test_losses_that_are_no_numbers_are_counted_and_do_not_spoil_the_average() -> None:
    steps = [make_step(n, loss=math.nan if n in (7, 9) else 2.0) for n in range(1, 20)]
    trend = _at_once(fold_all(begun(*steps).events)).trend()
    assert (trend.num_broken, trend.first_broken) == (2, 7)
    assert trend.loss == pytest.approx(2.0)


def test_bounds_hold_the_held_out_losses_too() -> None:
    curves = _at_once(fold_all(begun(*training(100)).events)).curves("loss")
    both = [*curves.raw[1], *curves.held_out[1]]
    assert (curves.low, curves.high) == (min(both), max(both))
    grad = _at_once(fold_all(begun(*training(100)).events)).curves("grad norm")
    assert grad.held_out == ([], []) and grad.high == max(grad.raw[1])


def test_twenty_thousand_steps_stay_small() -> None:
    status = Status()
    for event in begun(*[make_step(n) for n in range(1, 20_001)]).events:
        status = fold(status, event)
    curves: Curves = _at_once(status).curves("loss")
    assert len(curves.raw[0]) < 3000
    assert curves.high == max(step.loss for step in status.steps)
