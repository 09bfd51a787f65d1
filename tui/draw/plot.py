"""A chart of curves as rows of text: braille or ASCII, axes included, without Textual."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tui.draw.axis import x_axis
from tui.draw.cell import BLANK, Cell, runs
from tui.draw.decimated import Decimated
from tui.draw.frame import Frame, Series, opened
from tui.draw.smooth import Smoother, smooth
from tui.draw.ticks import labels, log_ticks, nice_ticks, number

__all__ = ["Cell", "Curve", "Decimated", "Smoother", "plot", "smooth"]

POINT = "o"
NAN, INFINITE = "N", "I"
# Cells the curves need at the least beside their axes.
MIN_COLUMNS, MIN_ROWS = 8, 2

# From the last line back: where there is no colour the smoothed line, drawn last, stands out.
_ASCII_LINES = "*.:+"
# U+2800 and its eight dots by row and column of the cell; none of ambiguous width.
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


@dataclass(frozen=True, slots=True)
class Curve:
    """Values over steps, one y per x; `name` is the role its cells are given.

    A line joins its points, dots stand alone, points are one large character each.
    """

    xs: Sequence[float]
    ys: Sequence[float]
    kind: Literal["line", "dots", "points"]
    name: str


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
    a gap, and an `N` (NaN) or `I` (infinite) below it on the x axis in the role of its curve.
    `log_y` is followed where every finite value is above zero. `marks` are (x, text) on the x
    axis. Points whose x is not finite are left out. Where nothing can be drawn, words say so.
    """
    if width < 1 or height < 1:
        return [[] for _ in range(max(height, 0))]
    drawn = [(curve, Series.of(curve.xs, curve.ys)) for curve in curves]
    bounds = [bound for _, series in drawn for bound in series.bounds]
    if not bounds:
        is_empty = not any(series.xs for _, series in drawn)
        return _words("nothing to draw yet" if is_empty else "no finite value", width, height)
    xs = [x for _, series in drawn for x in series.xs[:1] + series.xs[-1:]]
    is_log = log_y and min(bounds) > 0
    y_low, y_high = opened(min(bounds), max(bounds), is_log=is_log)
    rows = height - 1
    ticks = _y_ticks(y_low, y_high, is_log=is_log, most=max(min(rows // 2, 5), 2))
    margin = max(len(text) for _, text in ticks) + 2
    columns = width - margin
    if columns < MIN_COLUMNS or rows < MIN_ROWS:
        return _words("too small", width, height)
    wide, tall = (1, 1) if ascii_only else (2, 4)
    frame = Frame(min(xs), max(xs), y_low, y_high, is_log, columns * wide, rows * tall)
    canvas = _Canvas([[BLANK] * columns for _ in range(rows)], {}, frame, wide, tall)
    num_above = sum(curve.kind != "points" for curve in curves)
    for curve, series in drawn:
        if curve.kind == "points":
            canvas.draw_points(series, curve.name)
        else:
            num_above -= 1
            ink = _ASCII_LINES[num_above % len(_ASCII_LINES)] if ascii_only else ""
            canvas.draw_line(series, curve.name, ink, joined=curve.kind == "line")
    named = {frame.row(value) // tall: text for value, text in reversed(ticks)}
    sides = [Cell(f"{named.get(i, ''):>{margin - 2}} |", "") for i in range(rows)]
    axis = x_axis(
        frame.x_low,
        frame.x_high,
        columns,
        faults=canvas.faults,
        marks=marks,
        ascii_only=ascii_only,
    )
    chart = [runs([side, *cells]) for side, cells in zip(sides, canvas.grid, strict=True)]
    return [*chart, runs([Cell(" " * margin, ""), *axis])]


@dataclass(frozen=True, slots=True)
class _Canvas:
    """The cells between the axes, `wide` by `tall` dots each, and the columns with faults."""

    grid: list[list[Cell]]
    faults: dict[int, Cell]
    frame: Frame
    wide: int
    tall: int

    def draw_points(self, series: Series, name: str) -> None:
        cell = Cell(POINT, name)
        for column, ys in self.frame.slices(series):
            for y in self._finite(ys, name, column):
                self.grid[self.frame.row(y) // self.tall][column // self.wide] = cell

    def draw_line(self, series: Series, name: str, ink: str, *, joined: bool) -> None:
        """The curve in characters of `ink`, or in braille where that is empty.

        One that is not joined shows the lowest and the highest value of each column alone.
        """
        masks: dict[tuple[int, int], int] = {}

        def fill(column: int, top: int, bottom: int) -> None:
            for row in range(top, bottom + 1):
                place = row // self.tall, column // self.wide
                dot = _DOTS[row % self.tall][column % self.wide]
                masks[place] = masks.get(place, 0) | dot

        before: tuple[int, int] | None = None
        for column, ys in self.frame.slices(series):
            finite = self._finite(ys, name, column)
            if not finite:
                before = None
                continue
            top, bottom = self.frame.row(max(finite)), self.frame.row(min(finite))
            if not joined:
                fill(column, top, top)
                fill(column, bottom, bottom)
                continue
            fill(column, top, bottom)
            if before is not None and math.isfinite(ys[0]):
                _join(before, (column, self.frame.row(ys[0])), fill)
            before = (column, self.frame.row(ys[-1])) if math.isfinite(ys[-1]) else None
        for (row, column), mask in masks.items():
            self.grid[row][column] = Cell(ink or chr(_BRAILLE + mask), name)

    def _finite(self, ys: list[float], name: str, column: int) -> list[float]:
        """The finite values of a column of dots; a fault among them is noted for the x axis."""
        if math.isfinite(sum(ys)):
            return ys
        finite = [y for y in ys if math.isfinite(y)]
        place = column // self.wide
        if any(math.isnan(y) for y in ys):
            self.faults[place] = Cell(NAN, name)
        elif len(finite) < len(ys):
            self.faults.setdefault(place, Cell(INFINITE, name))
        return finite


def _join(
    start: tuple[int, int], end: tuple[int, int], fill: Callable[[int, int, int], None]
) -> None:
    """The straight line between two dots, without its first one."""
    (left, row), (right, last) = start, end
    before = row
    for column in range(left + 1, right + 1):
        here = round(row + (last - row) * (column - left) / (right - left))
        # Each column takes what the line climbs in it, so that steep lines have no holes.
        if here > before:
            fill(column, before + 1, here)
        else:
            fill(column, here, max(before - 1, here))
        before = here


def _y_ticks(low: float, high: float, *, is_log: bool, most: int) -> list[tuple[float, str]]:
    values = log_ticks(low, high, most) if is_log else nice_ticks(low, high, most)
    is_spread = is_log and values[-1] >= 5 * values[0]
    texts = [number(value) for value in values] if is_spread else labels(values)
    return list(zip(values, texts, strict=True))


def _words(text: str, width: int, height: int) -> list[list[tuple[str, str]]]:
    rows = [[(" " * width, "")] for _ in range(height)]
    rows[(height - 1) // 2] = [(text[:width].center(width), "")]
    return rows
