"""A chart of curves as rows of text: braille or ASCII, axes included, without Textual."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len

from tui.draw.decimated import Decimated
from tui.draw.smooth import Smoother, smooth
from tui.draw.ticks import labels, log_ticks, nice_ticks, number

__all__ = ["Cell", "Curve", "Decimated", "Smoother", "plot", "smooth"]

POINT = "o"
NAN, INFINITE = "N", "I"
# Cells a curve needs at the least beside its axes.
MIN_COLUMNS, MIN_ROWS = 8, 2
# How far a mark may move aside for a label of the axis.
MARK_REACH = 8

# Where a colour is missing the last line stands out: it is the smoothed one.
_ASCII_LINES = "*.:+"
# Bit of a dot in a braille character, by row and column.
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_LARGEST_X = 1e300


@dataclass(frozen=True, slots=True)
class Curve:
    """Values over steps, one y per x; `name` is the role its cells are given."""

    xs: Sequence[float]
    ys: Sequence[float]
    kind: Literal["line", "points"]
    name: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One character one cell wide and its role: "" for blanks and axes, else a curve's name."""

    text: str
    role: str


BLANK = Cell(" ", "")


def plot(
    curves: Sequence[Curve],
    width: int,
    height: int,
    *,
    log_y: bool = False,
    ascii_only: bool = False,
    marks: Sequence[tuple[float, str]] = (),
) -> list[list[tuple[str, str]]]:
    """The chart in `height` rows of (text, role) runs, each row exactly `width` cells.

    Each column shows the lowest and the highest value that falls into it, so a spike of one step
    stays visible at any length. Later curves cover earlier ones. A value that is not finite leaves
    a gap and an `N` (NaN) or `I` (infinite) below it on the x axis, in the role of its curve.
    `log_y` is followed where every finite value is above zero. `marks` are (x, text) on the x
    axis. The y axis has up to five round labels. Points whose x is not finite are left out.
    """
    if width < 1 or height < 1:
        return [[] for _ in range(max(height, 0))]
    series = [_Series.of(curve) for curve in curves]
    xs = [x for one in series for x in (one.xs[0], one.xs[-1]) if one.xs]
    bounds = [bound for one in series for bound in one.bounds]
    if not bounds:
        text = "no finite value" if xs else "nothing to draw yet"
        return _message(text, width, height)
    is_log = log_y and min(bounds) > 0
    rows = height - 1
    ticks = _y_ticks(min(bounds), max(bounds), is_log, max(min(rows // 2, 5), 2))
    margin = max(len(text) for _, text in ticks) + 2
    columns = width - margin
    if columns < MIN_COLUMNS or rows < MIN_ROWS:
        return _message("too small to draw", width, height)
    dots = (1, 1) if ascii_only else (2, 4)
    frame = _Frame.of(min(xs), max(xs), min(bounds), max(bounds), is_log, columns, rows, dots)
    grid = [[BLANK] * columns for _ in range(rows)]
    faults: dict[int, Cell] = {}
    num_lines = sum(one.curve.kind == "line" for one in series)
    for one in series:
        if one.curve.kind == "points":
            _draw_points(one, frame, grid, faults)
        else:
            num_lines -= 1
            ink = _ASCII_LINES[num_lines % len(_ASCII_LINES)] if ascii_only else ""
            _draw_line(one, frame, grid, faults, ink)
    by_row = {frame.row(value) // dots[1]: text for value, text in reversed(ticks)}
    drawn = [
        [Cell(f"{by_row.get(i, ''):>{margin - 2}} |", ""), *cells] for i, cells in enumerate(grid)
    ]
    axis = _x_axis(frame, faults, marks, ascii_only)
    return [_runs(cells) for cells in (*drawn, [Cell(" " * margin, ""), *axis])]


@dataclass(frozen=True, slots=True)
class _Series:
    """A curve with its points in order of x, and the lowest and highest finite value."""

    curve: Curve
    xs: list[float]
    ys: list[float]
    bounds: tuple[float, ...]

    @classmethod
    def of(cls, curve: Curve) -> _Series:
        num = min(len(curve.xs), len(curve.ys))
        xs, ys = list(map(float, curve.xs[:num])), list(map(float, curve.ys[:num]))
        # One pass in C tells whether anything has to be looked at one by one.
        if not abs(sum(xs)) < _LARGEST_X:
            kept = [(x, y) for x, y in zip(xs, ys, strict=True) if abs(x) < _LARGEST_X]
            xs, ys = [x for x, _ in kept], [y for _, y in kept]
        if xs != sorted(xs):
            order = sorted(range(len(xs)), key=xs.__getitem__)
            xs, ys = [xs[i] for i in order], [ys[i] for i in order]
        finite = ys if math.isfinite(sum(ys)) else [y for y in ys if math.isfinite(y)]
        return cls(curve, xs, ys, (min(finite), max(finite)) if finite else ())


@dataclass(frozen=True, slots=True)
class _Frame:
    """The drawing area in dots: (0, 0) is the top left one."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    is_log: bool
    width: int
    height: int
    dots: tuple[int, int]

    @classmethod
    def of(
        cls,
        x_low: float,
        x_high: float,
        y_low: float,
        y_high: float,
        is_log: bool,
        columns: int,
        rows: int,
        dots: tuple[int, int],
    ) -> _Frame:
        y_low, y_high = _opened(y_low, y_high, is_log)
        if is_log:
            y_low, y_high = math.log10(y_low), math.log10(y_high)
        size = columns * dots[0], rows * dots[1]
        return cls(x_low, x_high, y_low, y_high, is_log, *size, dots)

    def row(self, y: float) -> int:
        """The row of dots a finite value lies in."""
        level = math.log10(y) if self.is_log else y
        # Halved first: the difference of two values near the largest float is infinite.
        span = self.y_high / 2 - self.y_low / 2
        share = (self.y_high / 2 - level / 2) / span if span else 0.5
        return min(max(round(share * (self.height - 1)), 0), self.height - 1)

    def column(self, x: float) -> int:
        """The column of dots a step lies in."""
        span = self.x_high - self.x_low
        share = (x - self.x_low) / span if span else 0.0
        return min(max(round(share * (self.width - 1)), 0), self.width - 1)

    def slices(self, one: _Series) -> Iterator[tuple[int, list[float]]]:
        """The values of each column of dots that has any, from left to right."""
        begin, num = 0, len(one.xs)
        step = (self.x_high - self.x_low) / max(self.width - 1, 1)
        while begin < num:
            column = self.column(one.xs[begin])
            edge = self.x_low + (column + 0.5) * step
            end = bisect_left(one.xs, edge, begin + 1)
            if column == self.width - 1:
                end = num
            yield column, one.ys[begin:end]
            begin = end


def _opened(low: float, high: float, is_log: bool) -> tuple[float, float]:
    """The range itself, or a little more where all values are one."""
    if low < high:
        return low, high
    if is_log:
        return max(low / 1.25, 5e-324), min(high * 1.25, 1e308)
    around = abs(low) * 0.05 or 1.0
    return max(low - around, -1.7e308), min(high + around, 1.7e308)


def _y_ticks(low: float, high: float, is_log: bool, most: int) -> list[tuple[float, str]]:
    low, high = _opened(low, high, is_log)
    values = log_ticks(low, high, most) if is_log else nice_ticks(low, high, most)
    spread = is_log and values[-1] >= 5 * values[0]
    texts = [number(value) for value in values] if spread else labels(values)
    return list(zip(values, texts, strict=True))


def _draw_line(
    one: _Series, frame: _Frame, grid: list[list[Cell]], faults: dict[int, Cell], ink: str
) -> None:
    wide, tall = frame.dots
    masks: dict[tuple[int, int], int] = {}

    def fill(column: int, top: int, bottom: int) -> None:
        for row in range(top, bottom + 1):
            place = row // tall, column // wide
            masks[place] = masks.get(place, 0) | _DOTS[row % tall][column % wide]

    before: tuple[int, int] | None = None
    for column, ys in frame.slices(one):
        finite = _finite(ys, one.curve.name, column // wide, faults)
        if not finite:
            before = None
            continue
        top, bottom = frame.row(max(finite)), frame.row(min(finite))
        fill(column, top, bottom)
        if before is not None and math.isfinite(ys[0]):
            _join(before, (column, frame.row(ys[0])), fill)
        before = (column, frame.row(ys[-1])) if math.isfinite(ys[-1]) else None
    name = one.curve.name
    for (row, column), mask in masks.items():
        grid[row][column] = Cell(ink or chr(_BRAILLE + mask), name)


def _join(
    start: tuple[int, int], end: tuple[int, int], fill: Callable[[int, int, int], None]
) -> None:
    """The straight line between two dots, without its first one."""
    (left, row), (right, last) = start, end
    rise = (last - row) / (right - left)
    before = row
    for column in range(left + 1, right + 1):
        here = round(row + rise * (column - left))
        # Each column covers what the line climbs in it, so that steep lines have no holes.
        if here > before:
            fill(column, before + 1, here)
        elif here < before:
            fill(column, here, before - 1)
        else:
            fill(column, here, here)
        before = here


def _draw_points(
    one: _Series, frame: _Frame, grid: list[list[Cell]], faults: dict[int, Cell]
) -> None:
    wide, tall = frame.dots
    cell = Cell(POINT, one.curve.name)
    for column, ys in frame.slices(one):
        for y in _finite(ys, one.curve.name, column // wide, faults):
            grid[frame.row(y) // tall][column // wide] = cell


def _finite(ys: list[float], name: str, column: int, faults: dict[int, Cell]) -> list[float]:
    """The finite ones of a column's values; what is not is noted for the x axis."""
    if math.isfinite(sum(ys)):
        return ys
    finite = [y for y in ys if math.isfinite(y)]
    if len(finite) < len(ys):
        is_nan = any(math.isnan(y) for y in ys)
        if is_nan or column not in faults:
            faults[column] = Cell(NAN if is_nan else INFINITE, name)
    return finite


def _x_axis(
    frame: _Frame,
    faults: dict[int, Cell],
    marks: Sequence[tuple[float, str]],
    ascii_only: bool,
) -> list[Cell]:
    """First and last step, then faults, marks and round steps where there is room."""
    wide = frame.dots[0]
    columns = frame.width // wide
    cells = [BLANK] * columns
    taken = [False] * columns

    def put(start: int, text: str, gap: int, reach: int = 0) -> bool:
        """Write at the nearest start that is free, with `gap` free cells on both sides."""
        for distance in range(reach + 1):
            for begin in (start - distance, start + distance):
                span = range(max(begin - gap, 0), min(begin + len(text) + gap, columns))
                fits = begin >= 0 and begin + len(text) <= columns
                if fits and not any(taken[i] for i in span):
                    for i, character in enumerate(text, begin):
                        cells[i], taken[i] = Cell(character, ""), True
                    return True
        return False

    first, last = number(frame.x_low), number(frame.x_high)
    put(0, first[:columns], 0)
    if frame.x_high > frame.x_low:
        put(columns - len(last), last, 1)
    named = list(taken)
    for column, cell in sorted(faults.items()):
        place = _beside(column, named)
        if place is not None:
            cells[place], taken[place] = cell, True
    for x, text in marks:
        if frame.x_low <= x <= frame.x_high:
            put(frame.column(x) // wide, _plain(text, ascii_only), 0, MARK_REACH)
    whole = frame.x_low == int(frame.x_low) and frame.x_high == int(frame.x_high)
    for x in nice_ticks(frame.x_low, frame.x_high, max(columns // 10, 1), whole=whole):
        text = number(x)
        put(frame.column(x) // wide - len(text) // 2, text, 1)
    return cells


def _beside(column: int, named: list[bool]) -> int | None:
    """The nearest column to write a fault in: never on the first or last step's digits."""
    for distance in range(len(named)):
        for place in (column - distance, column + distance):
            if 0 <= place < len(named) and not named[place]:
                return place
    return None


def _plain(text: str, ascii_only: bool) -> str:
    """One cell per character; any other is a question mark."""
    return "".join(
        c if c.isprintable() and cell_len(c) == 1 and (c.isascii() or not ascii_only) else "?"
        for c in text
    )


def _message(text: str, width: int, height: int) -> list[list[tuple[str, str]]]:
    rows = [[(" " * width, "")] for _ in range(height)]
    rows[(height - 1) // 2] = [(text[:width].center(width), "")]
    return rows


def _runs(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Neighbours of one role as one run."""
    runs: list[tuple[str, str]] = []
    for cell in cells:
        if runs and runs[-1][1] == cell.role:
            runs[-1] = (runs[-1][0] + cell.text, cell.role)
        else:
            runs.append((cell.text, cell.role))
    return runs
