"""Ticks: round, inside the range, a few of them, and labels that tell them apart."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.draw.ticks import labels, log_ticks, nice_ticks, number

FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 4.0, ["0", "1", "2", "3", "4"]),
        (0.37, 3.2, ["1", "2", "3"]),
        (1.9, 2.1, ["1.90", "1.95", "2.00", "2.05", "2.10"]),
        (-1.2, 1.1, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        (0.0, 2e-4, ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"]),
        (0.0, 3.1e6, ["0", "1e6", "2e6", "3e6"]),
        (1234.5, 1236.5, ["1234.5", "1235.0", "1235.5", "1236.0", "1236.5"]),
        (-1e308, 1.5e308, ["-1e308", "1.5e308"]),
    ],
)
def test_known_ranges(low: float, high: float, expected: list[str]) -> None:
    assert labels(nice_ticks(low, high, 5)) == expected


@given(low=FINITE, high=FINITE, most=st.integers(1, 9), whole=st.booleans())
def test_any_range_has_a_few_ticks_inside(low: float, high: float, most: int, whole: bool) -> None:
    low, high = min(low, high), max(low, high)
    ticks = nice_ticks(low, high, most, whole=whole)
    assert 1 <= len(ticks) <= max(most, 2)
    slack = (high / 2 - low / 2) * 1e-9
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    texts = [text for text in labels(ticks) if text]
    assert len(set(texts)) == len(texts) > 0
    assert max(map(len, texts)) <= 16


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6))
def test_five_allowed_are_three_at_the_least(low: float, span: float) -> None:
    assert 2 <= len(nice_ticks(low, low + span, 5)) <= 5
    assert len(nice_ticks(low, low + span, 6)) >= 3


@given(low=POSITIVE, high=POSITIVE, most=st.integers(2, 6))
def test_any_log_range(low: float, high: float, most: int) -> None:
    low, high = min(low, high), max(low, high)
    ticks = log_ticks(low, high, most)
    assert 1 <= len(ticks) <= most
    assert all(math.isfinite(tick) for tick in ticks)


def test_a_log_axis_has_powers_of_ten_or_the_parts_of_one() -> None:
    assert log_ticks(0.02, 300, 5) == pytest.approx([0.1, 1, 10, 100])
    assert log_ticks(0.5, 7, 5) == pytest.approx([0.5, 1, 2, 5])


def test_whole_steps_have_no_half_ones() -> None:
    assert nice_ticks(0, 2, 6) == [0, 0.5, 1, 1.5, 2]
    assert nice_ticks(0, 2, 6, whole=True) == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (20000.0, "20000"),
        (0.0, "0"),
        (0.012345, "0.01235"),
        (2e-5, "2e-5"),
        (1.5e12, "1.5e12"),
        (-12.5, "-12.5"),
        (123456.7, "1.235e5"),
    ],
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert number(value) == text
