"""Sparklines: exact width, extremes kept, faults shown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.draw.spark import ASCII_LEVELS, LEVELS, spark

ANY = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(ys=st.lists(ANY, max_size=200), width=st.integers(-1, 60), ascii_only=st.booleans())
def test_it_has_exactly_the_width(ys: list[float], width: int, ascii_only: bool) -> None:
    text = spark(ys, width, ascii_only)
    assert cell_len(text) == max(width, 0)
    assert text.isascii() or not ascii_only
    assert set(text) <= {*(ASCII_LEVELS if ascii_only else LEVELS), "N", " "}


@given(ys=st.lists(FINITE, min_size=2, max_size=300), width=st.integers(2, 60))
def test_the_lowest_and_the_highest_value_are_drawn(ys: list[float], width: int) -> None:
    text = spark(ys, width)
    if max(ys) / 2 > min(ys) / 2:
        assert {"⡀", "⣿"} <= set(text)


@given(num=st.integers(10, 2000), at=st.integers(0, 1999), width=st.integers(4, 40))
def test_a_spike_stands_in_its_own_cell(num: int, at: int, width: int) -> None:
    at %= num
    ys = [1.0] * num
    ys[at] = 9.0
    text = spark(ys, width)
    assert text.count("⣿") == 1
    assert abs(text.index("⣿") - at * min(width, num) / num) <= 1


def test_a_second_spike_stays_too() -> None:
    ys = [1.0] * 1000
    ys[100], ys[700] = 9.0, 7.0
    assert [i for i, c in enumerate(spark(ys, 10)) if c in "⣶⣷⣿"] == [1, 7]


def test_a_second_dip_stays_too() -> None:
    ys = [9.0] * 1000
    ys[100], ys[700] = 1.0, 3.0
    assert [i for i, c in enumerate(spark(ys, 10)) if c in "⡀⣀⣄"] == [1, 7]


def test_noise_does_not_hide_the_descent() -> None:
    ys = [5 - i / 100 + (0.3 if i % 7 else -0.3) for i in range(400)]
    text = spark(ys, 12)
    assert list(text) == sorted(text, reverse=True)


@pytest.mark.parametrize(
    ("ys", "text", "in_ascii"),
    [
        ([], "    ", "    "),
        ([3.0], "⣦   ", "+   "),
        ([1.0, 2.0], "⡀⣿  ", ".@  "),
        ([math.nan] * 3, "NNN ", "NNN "),
        ([1.0, math.inf, 2.0, 3.0], "⡀N⣦⣿", ".N+@"),
    ],
)
def test_short_and_broken_series(ys: list[float], text: str, in_ascii: str) -> None:
    assert spark(ys, 4) == text
    assert spark(ys, 4, True) == in_ascii
