from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluate.bootstrap import Interval, paired_interval, verdict


def test_the_difference_is_weighted_by_tokens() -> None:
    found = paired_interval([10.0, 1.0], [5.0, 2.0], [10, 1])
    assert found.difference == pytest.approx((-5 + 1) / 11)


def test_equal_models_differ_by_nothing() -> None:
    assert paired_interval([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [4, 5, 6]) == Interval(0.0, 0.0, 0.0)


def test_the_same_rows_give_the_same_interval() -> None:
    rows = ([3.0, 1.0, 4.0, 1.5], [2.0, 1.2, 3.0, 1.0], [5, 9, 2, 6])
    assert paired_interval(*rows) == paired_interval(*rows)


def test_pairing_keeps_a_small_gain_visible_between_very_different_rows() -> None:
    chance = random.Random(1)
    base = [chance.uniform(1, 100) for _ in range(60)]
    tuned = [loss - chance.uniform(0.5, 1.5) for loss in base]
    found = paired_interval(base, tuned, [10] * 60)
    assert found.high < 0
    assert found.low == pytest.approx(-0.1, abs=0.02)


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.floats(0, 50), st.integers(1, 40)), min_size=1, max_size=40
    )
)
def test_bounds_are_ordered_and_within_what_single_rows_show(
    rows: list[tuple[float, float, int]],
) -> None:
    base, tuned, tokens = zip(*rows, strict=True)
    found = paired_interval(base, tuned, tokens)
    per_row = [(t - b) / n for b, t, n in rows]
    assert min(per_row) - 1e-9 <= found.low <= found.high <= max(per_row) + 1e-9


@pytest.mark.parametrize(
    ("low", "high", "num_rows", "said"),
    [
        (-0.5, -0.1, 29, "too few to tell"),
        (-0.5, -0.1, 30, "tuned is better"),
        (0.1, 0.5, 30, "tuned is worse"),
        (-0.1, 0.1, 500, "no clear difference"),
    ],
)
def test_the_verdict_says_what_the_bounds_allow(
    low: float, high: float, num_rows: int, said: str
) -> None:
    assert verdict(Interval((low + high) / 2, low, high), num_rows) == said
