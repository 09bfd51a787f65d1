"""The interval agrees with published values, and covers the share as often as it says."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.quality.interval import wilson


@pytest.mark.parametrize(
    ("found", "seen", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3, given to four places.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_values(found: int, seen: int, low: float, high: float) -> None:
    assert wilson(found, seen) == pytest.approx((low, high), abs=5e-5)


def test_nothing_seen_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 2000), st.data())
def test_bounds_hold_the_counted_share(seen: int, data: st.DataObject) -> None:
    found = data.draw(st.integers(0, seen))
    low, high = wilson(found, seen)
    assert 0 <= low <= found / seen <= high <= 1
    mirrored = wilson(seen - found, seen)
    assert mirrored == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_it_covers_the_share_about_as_often_as_it_says(share: float) -> None:
    seen = 100
    covered = 0.0
    for found in range(seen + 1):
        low, high = wilson(found, seen)
        if low <= share <= high:
            covered += comb(seen, found) * share**found * (1 - share) ** (seen - found)
    assert 0.93 < covered < 0.98
