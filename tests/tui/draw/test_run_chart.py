"""The chart of a run: ranges that stand still, so that a new step repaints a few cells."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runs.status import fold_all
from tests.tui.scenes import begun, make_step, training
from tui.draw.history import Curves, History
from tui.draw.line import Line, width_of
from tui.draw.run_chart import chart_lines, x_end, y_range


def _curves(until: int) -> Curves:
    history = History()
    history.update(fold_all(begun(*training(until)).events))
    return history.curves("loss")


def _drawn(curves: Curves, *, log_y: bool = False, is_live: bool = True) -> list[Line]:
    return chart_lines(curves, 78, 9, log_y=log_y, ascii_only=False, is_live=is_live)


def _cells(drawn: Line) -> str:
    return "".join(text for text, _ in drawn)


def test_it_has_exactly_the_size_asked_for() -> None:
    for height in (1, 2, 3, 9, 30):
        lines = chart_lines(_curves(120), 60, height, log_y=False, ascii_only=False, is_live=True)
        assert len(lines) == height
        assert all(width_of(drawn) == 60 for drawn in lines[1:])


def test_a_new_step_leaves_almost_all_cells_as_they_are() -> None:
    changed = []
    for until in range(260, 300):
        before, after = _drawn(_curves(until)), _drawn(_curves(until + 1))
        pairs = zip(map(_cells, before), map(_cells, after), strict=True)
        changed.append(sum(a != b for old, new in pairs for a, b in zip(old, new, strict=True)))
    # 702 cells; a step in which a bucket of points is merged may move a few more dots.
    assert sorted(changed)[len(changed) // 2] <= 6
    assert max(changed) < 120


def test_a_new_lowest_value_moves_no_other() -> None:
    xs = [float(n) for n in range(1, 101)]
    before, after = (
        _drawn(Curves("loss", (xs, [*([2.0] * 99), last]), low=last, high=2.0, max_steps=800))
        for last in (0.71, 0.62)
    )
    pairs = zip(map(_cells, before), map(_cells, after), strict=True)
    changed = [(a, b) for old, new in pairs for a, b in zip(old, new, strict=True) if a != b]
    assert 0 < len(changed) <= 3


def test_the_corners_that_hold_the_ranges_are_not_drawn() -> None:
    flat = History()
    flat.update(fold_all(begun(*[make_step(n, loss=1.37) for n in range(1, 20)]).events))
    text = "\n".join(map(_cells, _drawn(flat.curves("loss"))[1:]))
    assert "o" not in text
    roles = {role for drawn in _drawn(_curves(120)) for _, role in drawn}
    assert roles == {"", "title", "curve-1", "curve-2", "curve-3"}


def test_once_it_has_ended_the_axis_ends_with_the_last_step() -> None:
    assert _cells(_drawn(_curves(310), is_live=True)[-1]).rstrip().endswith("375")
    assert _cells(_drawn(_curves(310), is_live=False)[-1]).rstrip().endswith("310")


def test_a_log_scale_that_cannot_be_is_said() -> None:
    history = History()
    history.update(fold_all(begun(*[make_step(n) for n in range(1, 60)]).events))
    assert "log scale" in _cells(_drawn(history.curves("loss"), log_y=True)[0])
    rate = history.curves("learning rate")
    assert rate.low > 0
    zero = Curves("learning rate", ([1.0, 2.0], [0.0, 1e-4]), low=0.0, high=1e-4)
    assert "no log scale" in _cells(_drawn(zero, log_y=True)[0])


def test_what_is_not_finite_is_said_below_the_chart() -> None:
    history = History()
    steps = [make_step(n, loss=math.nan if n > 40 else 2.0) for n in range(1, 60)]
    history.update(fold_all(begun(*steps).events))
    curves = history.curves("loss")
    axis = _drawn(curves)[-1]
    marks = [text for text, role in axis if role == "fail"]
    assert marks and set("".join(marks)) == {"N"}
    # The smoothed curve ends where the numbers do; a flat line would look like health.
    assert curves.smoothed[0][-1] == 40


@given(last=st.integers(0, 10**6), max_steps=st.one_of(st.just(0), st.integers(1, 10**6)))
def test_the_x_axis_never_ends_before_the_last_step(last: int, max_steps: int) -> None:
    end = x_end(last, max_steps, is_live=True)
    assert end >= last
    if 0 < last <= max_steps:
        assert end <= max(max_steps, 8)
    assert x_end(last, max_steps, is_live=False) == last


def test_the_x_axis_ends_in_few_places() -> None:
    ends = {x_end(last, 1000, is_live=True) for last in range(1, 1001)}
    assert ends == {63, 125, 250, 375, 500, 750, 1000}


FINITE = st.floats(min_value=1e-6, max_value=1e6)


@given(low=FINITE, high=FINITE, is_log=st.booleans())
def test_the_y_range_holds_every_value(low: float, high: float, is_log: bool) -> None:
    low, high = min(low, high), max(low, high)
    bottom, top = y_range(low, high, is_log=is_log)
    slack = 1e-9 * max(abs(low), abs(high))
    assert bottom <= low + slack and top >= high - slack


def test_the_y_range_changes_seldom_while_a_loss_falls() -> None:
    lows = [2.5 * math.exp(-n / 200) + 0.3 for n in range(1000)]
    assert len({y_range(low, 2.8, is_log=False) for low in lows}) <= 30
    assert len({y_range(low, 2.8, is_log=False) for low in lows[200:]}) <= 5
    assert len({y_range(low, 2.8, is_log=True) for low in lows}) <= 4


@pytest.mark.parametrize("ascii_only", [True, False])
def test_the_legend_names_the_curves_by_more_than_colour(ascii_only: bool) -> None:
    drawn = chart_lines(_curves(120), 78, 9, log_y=False, ascii_only=ascii_only, is_live=True)
    legend = _cells(drawn[0])
    assert "o held out" in legend
    assert ("* smoothed" in legend) is ascii_only
