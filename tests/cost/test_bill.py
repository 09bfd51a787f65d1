"""What a run has cost, and will have cost: box time from its beginning on."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cost.bill import Bill, bill, say_bill
from engine.cost.price import Price
from engine.runs.events import Plan, Rehearsed
from engine.runs.state import Observed, State
from engine.runs.status import Status
from tui.draw.pace import pace

_HOUR = Price(3.6)
_SECONDS = st.floats(0, 1e7)


def _observed(state: State, *, ended: float = 1600.0) -> Observed:
    return Observed(state, "", Status(first_time=1000.0, last_time=ended), 0)


@given(_SECONDS, _SECONDS)
def test_a_live_run_pays_until_now_and_to_its_end(spent: float, left: float) -> None:
    one = bill(_observed("running"), 1000.0 + spent, left)
    assert one.spent_s == pytest.approx(spent, abs=1e-6) and one.left_s == left
    assert one.idle_s == 0


@given(_SECONDS)
def test_a_box_burns_on_after_the_end(idle: float) -> None:
    for state in ("finished", "stopped", "failed", "crashed"):
        one = bill(_observed(state), 1600.0 + idle)
        assert one.spent_s == 600 and one.idle_s == pytest.approx(idle, abs=1e-6)


def test_another_box_is_not_billed_from_here() -> None:
    assert bill(_observed("elsewhere"), 9999.0) == Bill(600.0, 0.0, 0.0)


def test_a_clock_that_went_back_costs_nothing() -> None:
    assert bill(_observed("running"), 0.0).spent_s == 0
    assert bill(_observed("finished"), 0.0).idle_s == 0


def test_in_words() -> None:
    assert say_bill(Bill(600, math.nan, 0), _HOUR) == "$0.60"
    assert say_bill(Bill(600, 400, 0), _HOUR) == "$0.60 of about $1.00"
    assert say_bill(Bill(600, 0, 7200), _HOUR) == "$0.60, and $7.20 since its end"


def test_time_left_before_the_first_step_is_the_rehearsals() -> None:
    """10 steps of 16 rows with 50 tokens at 400 tokens per second, and five pauses of 3 s."""
    plan = Plan(10, 160, 16, 128, 0.0, 1.0, 2, 8, 10, 1, tokens_per_epoch=8000)
    tried = Rehearsed(True, 2, 128, 256, 1.0, tokens_per_s=400.0, eval_s=2.0, save_s=1.0)
    assert math.isnan(pace(Status(plan=plan)).left_s)
    found = pace(Status(plan=plan, rehearsed=tried))
    assert found.step_s == pytest.approx(2.0) and found.left_s == pytest.approx(10 * 2 + 15)
