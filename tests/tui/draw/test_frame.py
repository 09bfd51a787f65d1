"""The geometry of a chart: every point in one column, columns in order, values in their rows."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tui.draw.frame import Frame, Series, opened

STEPS = st.lists(st.integers(0, 500), min_size=1, max_size=200).map(sorted)


@given(xs=STEPS, width=st.integers(1, 250))
# 18.5 columns rounds to 18, where the slice before has ended just below it.
@example(xs=list(range(81)), width=21)
@example(xs=[5] * 200, width=10)
@example(xs=[10**17] * 100 + [10**17 + 16] * 100, width=40)
def test_each_point_is_in_one_column(xs: list[int], width: int) -> None:
    series = Series.of(xs, [float(i) for i in range(len(xs))])
    frame = Frame(xs[0], xs[-1], 0.0, 1.0, False, width, 4)
    slices = list(frame.slices(series))
    columns = [column for column, _ in slices]
    assert columns == sorted(set(columns))
    assert all(0 <= column < width for column in columns)
    assert [y for _, ys in slices for y in ys] == series.ys
    for column, ys in slices:
        for y in ys:
            assert abs(frame.column(xs[int(y)]) - column) <= 1


def test_rows_count_from_the_top() -> None:
    line = Frame(0, 1, -1.0, 3.0, False, 10, 9)
    assert [line.row(y) for y in (3.0, 1.0, -1.0)] == [0, 4, 8]
    log = Frame(0, 1, 0.01, 100.0, True, 10, 9)
    assert [log.row(y) for y in (100.0, 1.0, 0.01)] == [0, 4, 8]


@given(value=st.floats(allow_nan=False, allow_infinity=False), is_log=st.booleans())
def test_a_single_value_gets_a_range_around_it(value: float, is_log: bool) -> None:
    value = abs(value) or 1.0 if is_log else value
    low, high = opened(value, value, is_log=is_log)
    assert low <= value <= high
    assert low < high
    assert low > 0 or not is_log
    assert opened(-1.0, 2.0, is_log=False) == (-1.0, 2.0)
