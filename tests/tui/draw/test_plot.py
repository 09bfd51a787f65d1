"""Charts: every row fits, no spike vanishes, no float breaks them, and what is drawn is right."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.draw.plot import Curve, Decimated, plot

ANY = st.floats(allow_nan=True, allow_infinity=True)
KINDS = st.sampled_from(["line", "points"])
CURVES = st.lists(
    st.builds(
        lambda points, kind, name: Curve(
            [x for x, _ in points], [y for _, y in points], kind, name
        ),
        st.lists(st.tuples(ANY, ANY), max_size=30),
        KINDS,
        st.sampled_from(["loss", "smooth", "eval"]),
    ),
    max_size=3,
)
MARKS = st.lists(st.tuples(ANY, st.text(max_size=4)), max_size=4)


def texts(rows: list[list[tuple[str, str]]]) -> list[str]:
    return ["".join(text for text, _ in row) for row in rows]


def dots_in(rows: list[list[tuple[str, str]]], role: str) -> list[tuple[int, int]]:
    """(row, column) of each cell with this role, axis row left out."""
    found = []
    for i, row in enumerate(rows[:-1]):
        column = 0
        for text, named in row:
            found += [(i, column + k) for k in range(len(text)) if named == role]
            column += len(text)
    return found


@given(
    curves=CURVES,
    width=st.integers(-1, 90),
    height=st.integers(-1, 30),
    log_y=st.booleans(),
    ascii_only=st.booleans(),
    marks=MARKS,
)
def test_every_row_has_exactly_the_width_whatever_the_floats(
    curves: list[Curve],
    width: int,
    height: int,
    log_y: bool,
    ascii_only: bool,
    marks: list[tuple[float, str]],
) -> None:
    rows = plot(curves, width, height, log_y=log_y, ascii_only=ascii_only, marks=marks)
    assert len(rows) == max(height, 0)
    for line in texts(rows):
        assert cell_len(line) == max(width, 0)
        assert line.isprintable()
        assert line.isascii() or not ascii_only
    roles = {role for row in rows for _, role in row}
    assert roles <= {"", *(curve.name for curve in curves)}


@given(
    num=st.integers(2, 5000),
    place=st.floats(0, 1),
    width=st.integers(30, 120),
    height=st.integers(4, 30),
    ascii_only=st.booleans(),
    is_dip=st.booleans(),
    decimate=st.booleans(),
)
def test_a_spike_of_one_step_never_vanishes(
    num: int,
    place: float,
    width: int,
    height: int,
    ascii_only: bool,
    is_dip: bool,
    decimate: bool,
) -> None:
    at = round(place * (num - 1))
    ys = [1.0] * num
    ys[at] = -50.0 if is_dip else 50.0
    curve = Curve(range(num), ys, "line", "loss")
    if decimate:
        small = Decimated(64)
        small.update(range(num), ys)
        curve = Curve(*small.points(), "line", "loss")
    rows = plot([curve], width, height, ascii_only=ascii_only)
    edge = height - 2 if is_dip else 0
    hits = [column for row, column in dots_in(rows, "loss") if row == edge]
    begin = texts(rows)[0].index("|") + 1
    expected = begin + at / (num - 1) * (width - begin - 1)
    assert any(abs(column - expected) <= 1 for column in hits)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_line_has_no_holes(ascii_only: bool) -> None:
    curve = Curve([0, 3, 4, 10], [0.0, 9.0, 1.0, 5.0], "line", "loss")
    cells = dots_in(plot([curve], 60, 20, ascii_only=ascii_only), "loss")
    columns = {column for _, column in cells}
    assert columns == set(range(min(columns), max(columns) + 1))
    for left, right in pairwise(sorted(columns)):
        a, b = ({row for row, column in cells if column == c} for c in (left, right))
        assert min(a) - 1 <= max(b)
        assert min(b) - 1 <= max(a)


def test_a_known_chart_to_the_dot() -> None:
    curve = Curve([0, 1, 2, 3], [0.0, 1.0, 1.0, 0.0], "line", "loss")
    assert texts(plot([curve], 13, 5, ascii_only=True)) == [
        "1 |   ****   ",
        "  |  *    *  ",
        "  | *      * ",
        "0 |*        *",
        "   0        3",
    ]


def test_later_curves_cover_earlier_ones_and_points_stand_out() -> None:
    xs = list(range(20))
    under = Curve(xs, [1.0] * 20, "line", "raw")
    over = Curve(xs, [1.0] * 20, "line", "smooth")
    evals = Curve([10], [1.0], "points", "eval")
    rows = plot([under, over, evals], 40, 6)
    assert not dots_in(rows, "raw")
    assert dots_in(rows, "smooth")
    row, column = dots_in(rows, "eval")[0]
    assert texts(rows)[row][column] == "o"


def test_two_lines_differ_without_colour_in_ascii() -> None:
    xs = list(range(20))
    low, high = (Curve(xs, [y] * 20, "line", str(y)) for y in (1.0, 2.0))
    lines = texts(plot([low, high], 40, 8, ascii_only=True))
    assert "***" in lines[0]
    assert "..." in lines[-2]


def test_nan_is_a_gap_and_is_said_on_the_x_axis() -> None:
    ys = [1.0] * 100
    ys[50] = math.nan
    ys[70:80] = [math.nan] * 10
    ys[20] = math.inf
    rows = plot([Curve(range(100), ys, "line", "loss")], 110, 8)
    axis = rows[-1]
    assert ("N", "loss") in axis
    assert "N" * 10 in texts(rows)[-1]
    assert ("I", "loss") in axis
    begin = texts(rows)[0].index("|") + 1
    drawn = {column - begin for _, column in dots_in(rows, "loss")}
    assert not drawn & set(range(75, 82))


@pytest.mark.parametrize("nan_at", [0.001, 5.0, 9.999])
def test_no_line_crosses_a_nan_even_one_that_shares_its_column(nan_at: float) -> None:
    curve = Curve([0.0, nan_at, 10.0], [0.0, math.nan, 9.0], "line", "loss")
    assert len(dots_in(plot([curve], 60, 12), "loss")) == 2


def test_nan_at_the_ends_spoils_no_step() -> None:
    ys = [math.nan] * 10 + [1.0] * 80 + [math.nan] * 10
    axis = texts(plot([Curve(range(1000, 1100), ys, "line", "loss")], 60, 8))[-1]
    assert axis.split()[0] == "1000"
    assert axis.endswith(" 1099")
    assert "N" in axis


def test_steps_and_marks_on_the_x_axis() -> None:
    xs = list(range(1, 401))
    rows = plot([Curve(xs, xs, "line", "loss")], 70, 8, marks=[(100, "c"), (400, "c"), (900, "c")])
    axis = texts(rows)[-1]
    begin = texts(rows)[0].index("|") + 1
    assert axis.split()[0] == "1"
    assert axis.endswith("c 400")
    assert axis.index("c") == begin + round(99 / 399 * (69 - begin))
    assert {"100", "200", "300"} <= set(axis.split())
    assert axis.count("c") == 2


def test_labels_of_the_y_axis_stand_at_their_values() -> None:
    lines = texts(plot([Curve([0, 1], [0.0, 4.0], "line", "loss")], 60, 13))
    named = {i: line.split("|")[0].strip() for i, line in enumerate(lines[:-1])}
    assert {i: text for i, text in named.items() if text} == {
        0: "4",
        3: "3",
        6: "2",
        8: "1",
        11: "0",
    }


def test_log_scale_is_straight_for_a_power_and_is_left_where_a_value_is_not_positive() -> None:
    xs = list(range(50))
    powers = [10 ** (x / 10) for x in xs]
    straight = plot([Curve(xs, powers, "line", "loss")], 60, 12, log_y=True)
    line = plot([Curve(xs, xs, "line", "loss")], 60, 12)
    assert abs(len(dots_in(straight, "loss")) - len(dots_in(line, "loss"))) <= 6
    with_zero = [Curve(xs, [0.0, *powers[1:]], "line", "loss")]
    assert plot(with_zero, 60, 12, log_y=True) == plot(with_zero, 60, 12)


@pytest.mark.parametrize(
    ("ys", "words"),
    [([], "nothing to draw yet"), ([math.nan, math.inf], "no finite value")],
)
def test_nothing_to_draw_is_said_in_words(ys: list[float], words: str) -> None:
    rows = plot([Curve(range(len(ys)), ys, "line", "loss")], 40, 5)
    assert any(words in line for line in texts(rows))


@pytest.mark.parametrize("value", [0.0, 2.0, -1e300, 5e-324, 1e308, -3e-9])
@pytest.mark.parametrize("log_y", [False, True])
def test_one_value_only(value: float, log_y: bool) -> None:
    for num in (1, 50):
        rows = plot([Curve(range(num), [value] * num, "line", "loss")], 60, 9, log_y=log_y)
        assert {row for row, _ in dots_in(rows, "loss")} <= {3, 4}
        assert dots_in(rows, "loss")


def test_unordered_steps_are_put_in_order() -> None:
    pairs = [(float(x), math.sin(x / 5)) for x in range(60)]
    shuffled = random.Random(3).sample(pairs, len(pairs))
    charts = [
        plot([Curve([x for x, _ in p], [y for _, y in p], "line", "loss")], 60, 12)
        for p in (pairs, shuffled)
    ]
    assert charts[0] == charts[1]


def test_twenty_thousand_points_are_quick() -> None:
    noise = random.Random(1)
    ys = [2 * math.exp(-x / 4000) + noise.gauss(0.6, 0.1) for x in range(20_000)]
    curve = Curve(range(20_000), ys, "line", "loss")
    best = min(_elapsed_s(curve) for _ in range(5))
    # Measured at 4 ms; loose for a machine that is busy with other tests.
    assert best < 0.03


def test_it_needs_no_textual() -> None:
    code = "import sys, tui.draw.plot; sys.exit(any(n.startswith('textual') for n in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _elapsed_s(curve: Curve) -> float:
    begin = time.perf_counter()
    plot([curve], 60, 12)
    return time.perf_counter() - begin
