"""The x axis of a chart in one row: steps, marks, and where a value was not finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len

from tui.draw.cell import BLANK, Cell
from tui.draw.ticks import nice_ticks, number

# How many cells a mark, or a round step beside a mark, may move aside to be readable.
MARK_REACH, STEP_REACH = 8, 4


def x_axis(
    low: float,
    high: float,
    width: int,
    *,
    faults: Mapping[int, Cell],
    marks: Sequence[tuple[float, str]] = (),
    ascii_only: bool = False,
) -> list[Cell]:
    """`width` cells: the first and last step, then faults by column, marks and round steps."""
    row = _Row(width)
    first, last = number(low), number(high)
    row.put(0, first[:width])
    if high > low:
        row.put(width - len(last), last)
    named = list(row.taken)
    for column, cell in sorted(faults.items()):
        place = _beside(column, named)
        if place is not None:
            row.cells[place], row.taken[place] = cell, True
    for x, text in marks:
        if low <= x <= high:
            row.put(_column(x, low, high, width), _plain(text, ascii_only), MARK_REACH)
    whole = low == int(low) and high == int(high)
    for x in nice_ticks(low, high, max(width // 10, 1), whole=whole):
        if low < x < high:
            text = number(x)
            row.put(_column(x, low, high, width) - len(text) // 2, text, STEP_REACH)
    return row.cells


class _Row:
    """Cells that are written once each, with a free cell around what is written."""

    def __init__(self, width: int) -> None:
        self.cells = [BLANK] * width
        self.taken = [False] * width

    def put(self, start: int, text: str, reach: int = 0) -> None:
        """Write at the nearest start that is free, or not at all."""
        width = len(self.cells)
        for distance in range(reach + 1):
            for begin in (start - distance, start + distance):
                end = begin + len(text)
                if begin < 0 or end > width or any(self.taken[max(begin - 1, 0) : end + 1]):
                    continue
                self.cells[begin:end] = [Cell(character, "") for character in text]
                self.taken[begin:end] = [True] * len(text)
                return


def _beside(column: int, named: Sequence[bool]) -> int | None:
    """The nearest column for a fault: neither on a step's digits nor against them."""
    for distance in range(len(named)):
        for place in (column - distance, column + distance):
            if 0 <= place < len(named) and not any(named[max(place - 1, 0) : place + 2]):
                return place
    return None


def _column(x: float, low: float, high: float, width: int) -> int:
    return round((x - low) / (high - low) * (width - 1)) if high > low else 0


def _plain(text: str, ascii_only: bool) -> str:
    """One cell per character; any other is a question mark."""
    return "".join(
        c if c.isprintable() and cell_len(c) == 1 and (c.isascii() or not ascii_only) else "?"
        for c in text
    )
