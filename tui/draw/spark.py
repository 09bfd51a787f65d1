"""A sparkline: a curve in one row of text."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

# Braille and not blocks: terminals of East Asia draw block elements two cells wide.
LEVELS = "⡀⣀⣄⣤⣦⣶⣷⣿"
ASCII_LEVELS = ".:-=+*#@"
NAN = "N"


def spark(ys: Sequence[float], width: int, ascii_only: bool = False) -> str:
    """The values in exactly `width` cells, from the lowest level to the highest.

    Fewer values than cells stand at the left; more are drawn as the median of each cell's values,
    or as their extreme where that is further off than half the whole range, and the lowest and the
    highest value of all are always drawn. A cell with a NaN or infinite value is an `N`.
    """
    values = [float(y) for y in ys]
    finite = [y for y in values if math.isfinite(y)]
    if width < 1:
        return ""
    num = min(width, len(values))
    edges = [len(values) * i // num for i in range(num + 1)] if num else [0]
    levels = ASCII_LEVELS if ascii_only else LEVELS
    if not finite:
        return (NAN * num).ljust(width)
    low, high = min(finite), max(finite)
    shown = [_typical(values[edges[i] : edges[i + 1]], low, high) for i in range(num)]
    _keep_extremes(shown, values, edges, low, high)
    return "".join(_character(y, low, high, levels) for y in shown).ljust(width)


def _typical(ys: list[float], low: float, high: float) -> float:
    """The value to draw for a cell; NaN where one of them is not finite."""
    if not all(map(math.isfinite, ys)):
        return math.nan
    # median_low: the mean of two middle values near the largest float would be infinite.
    middle, half = statistics.median_low(ys), high / 2 - low / 2
    top, bottom = max(ys), min(ys)
    if top - middle > half and top - middle >= middle - bottom:
        return top
    return bottom if middle - bottom > half else middle


def _keep_extremes(
    shown: list[float], values: list[float], edges: list[int], low: float, high: float
) -> None:
    """Draw the lowest and the highest value where they are, side by side if they share a cell."""
    cells = {}
    for extreme in (low, high):
        at = values.index(extreme)
        cells[extreme] = next(i for i in range(len(shown)) if edges[i] <= at < edges[i + 1])
    for extreme in (low, high):
        if not math.isnan(shown[cells[extreme]]):
            shown[cells[extreme]] = extreme
    if low < high and cells[low] == cells[high] and not math.isnan(shown[cells[high]]):
        after = 1 if values.index(low) > values.index(high) else -1
        for beside in (cells[high] + after, cells[high] - after):
            if 0 <= beside < len(shown) and not math.isnan(shown[beside]):
                shown[beside] = low
                return


def _character(y: float, low: float, high: float, levels: str) -> str:
    if math.isnan(y):
        return NAN
    span = high / 2 - low / 2
    share = (y / 2 - low / 2) / span if span else 0.5
    return levels[min(int(share * len(levels)), len(levels) - 1)]
