"""A growing series kept small: extremes stay, work is for new points, a changed past is seen."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tui.draw.plot import Curve, Decimated, plot

YS = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=400)


@given(ys=YS, limit=st.integers(0, 40), cuts=st.lists(st.integers(0, 400), max_size=5))
def test_extremes_ends_and_faults_stay(ys: list[float], limit: int, cuts: list[int]) -> None:
    small = Decimated(limit)
    for cut in sorted(cuts):
        small.update(range(len(ys[:cut])), ys[:cut])
    small.update(range(len(ys)), ys)
    xs, kept = small.points()
    assert xs == sorted(xs)
    assert len(xs) <= 5 * max(limit, 2)
    for x, y in zip(xs, kept, strict=True):
        assert repr(ys[int(x)]) == repr(y)
    finite = [y for y in ys if math.isfinite(y)]
    if finite:
        assert min(finite) in kept
        assert max(finite) in kept
    assert any(not math.isfinite(y) for y in kept) == (len(finite) < len(ys))
    assert (xs[:1], xs[-1:]) == (([0], [len(ys) - 1]) if ys else ([], []))


def test_in_pieces_is_the_same_as_at_once() -> None:
    ys = [math.sin(i / 50) for i in range(3000)]
    pieces, whole = Decimated(64), Decimated(64)
    for end in range(0, 3001, 7):
        pieces.update(range(end), ys[:end])
    pieces.update(range(3000), ys)
    whole.update(range(3000), ys)
    assert pieces.points() == whole.points()


def test_only_new_points_are_read() -> None:
    class Counted(list[float]):
        reads = 0

        def __getitem__(self, place):  # type: ignore[no-untyped-def]
            Counted.reads += 1
            return super().__getitem__(place)

    small, ys = Decimated(), Counted([1.0] * 5000)
    small.update(range(5000), ys)
    Counted.reads = 0
    ys.append(2.0)
    small.update(range(5001), ys)
    assert Counted.reads <= 2
    assert small.points()[1][-1] == 2.0


def test_a_past_that_was_dropped_by_a_rollback_is_forgotten() -> None:
    small = Decimated(16)
    small.update(range(100), [9.0] * 100)
    small.update(range(60), [9.0] * 60)
    small.update(range(80), [9.0] * 60 + [1.0] * 20)
    again = Decimated(16)
    again.update(range(80), [9.0] * 60 + [1.0] * 20)
    assert small.points() == again.points()
    # As long as before, but another story.
    small.update(range(80), [5.0] * 80)
    assert set(small.points()[1]) == {5.0}


def test_a_last_value_that_is_nan_is_recognised_again() -> None:
    small = Decimated(16)
    ys = [1.0, math.nan]
    small.update(range(2), ys)
    first = small._buckets[0]
    small.update(range(3), [*ys, 2.0])
    assert small._buckets[0] is first


def test_the_chart_of_it_keeps_outline_and_spikes() -> None:
    ys = [2 - i / 10_000 for i in range(10_000)]
    ys[7_777] = 8.0
    small = Decimated()
    small.update(range(10_000), ys)
    xs, kept = small.points()
    assert len(xs) < 3000
    whole = plot([Curve(range(10_000), ys, "line", "loss")], 60, 12)
    less = plot([Curve(xs, kept, "line", "loss")], 60, 12)
    before, after = ("".join(text for row in rows for text, _ in row) for rows in (whole, less))
    # A bucket may lie over the edge of two columns: a dot moves, never a spike.
    assert sum(a != b for a, b in zip(before, after, strict=True)) <= 3
    assert less[0] == whole[0]
