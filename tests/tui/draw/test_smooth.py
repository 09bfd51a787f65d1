"""The moving average: unbiased at its start, between the extremes, calmer the longer the run."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.draw.plot import Smoother, smooth

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(ys=st.lists(FINITE, min_size=1, max_size=60))
def test_it_stays_between_the_extremes(ys: list[float]) -> None:
    slack = max(map(abs, ys)) * 1e-12
    for i, value in enumerate(smooth(ys), 1):
        assert min(ys[:i]) - slack <= value <= max(ys[:i]) + slack


@given(ys=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60))
def test_values_that_are_not_finite_are_skipped(ys: list[float]) -> None:
    finite = [y for y in ys if math.isfinite(y)]
    values = smooth(ys)
    assert len(values) == len(ys)
    kept = [value for value, y in zip(values, ys, strict=True) if math.isfinite(y)]
    assert kept == smooth(finite)
    assert not finite or math.isfinite(values[-1])


def test_a_value_is_held_over_a_gap_and_unknown_before_the_first() -> None:
    values = smooth([math.nan, 2.0, math.nan])
    assert math.isnan(values[0])
    assert values[1:] == [2.0, 2.0]


def test_a_fixed_weight_by_hand() -> None:
    # Half and half, divided by the mass so far: 1/2, 3/4, 7/8.
    assert smooth([4.0, 8.0, 1.0], 0.5) == pytest.approx([4.0, 5 / 0.75, 3.0 / 0.875])
    assert smooth([4.0, 8.0, 1.0], 0.0) == [4.0, 8.0, 1.0]


def test_the_window_grows_with_the_square_root() -> None:
    def noise_left(num: int) -> float:
        ends = []
        for seed in range(200):
            noise = random.Random(seed)
            ends.append(smooth([noise.gauss(0, 1) for _ in range(num)])[-1])
        return statistics.pstdev(ends)

    # The variance of an average over a window of n is about 1 / (2 n).
    assert noise_left(100) == pytest.approx((1 / 20) ** 0.5, rel=0.25)
    assert noise_left(2500) == pytest.approx((1 / 100) ** 0.5, rel=0.25)


def test_what_was_drawn_never_changes() -> None:
    ys = [math.sin(i) for i in range(300)]
    assert smooth(ys)[:200] == smooth(ys[:200])
    one = Smoother()
    assert [one.add(y) for y in ys] == smooth(ys)


@pytest.mark.parametrize("weight", [-0.1, 1.0, math.nan])
def test_a_weight_outside_its_bounds_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        smooth([1.0], weight)
