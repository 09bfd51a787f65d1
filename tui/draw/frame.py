"""The geometry of a chart: steps and values to dots, with (0, 0) at the top left."""

from __future__ import annotations

import math
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Steps beyond this are left out, so that no difference of two of them is infinite.
_LARGEST_X = 1e300
_LARGEST = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Series:
    """Points in order of their step; `bounds` is the lowest and highest finite value, if any."""

    xs: list[float]
    ys: list[float]
    bounds: tuple[float, ...]

    @classmethod
    def of(cls, xs: Sequence[float], ys: Sequence[float]) -> Series:
        """One point per pair; those whose step is not finite are left out."""
        num = min(len(xs), len(ys))
        steps, values = list(map(float, xs[:num])), list(map(float, ys[:num]))
        # One pass in C tells whether anything has to be looked at one by one.
        if not abs(sum(steps)) < _LARGEST_X:
            kept = [(x, y) for x, y in zip(steps, values, strict=True) if abs(x) < _LARGEST_X]
            steps, values = [x for x, _ in kept], [y for _, y in kept]
        if steps != sorted(steps):
            order = sorted(range(len(steps)), key=steps.__getitem__)
            steps, values = [steps[i] for i in order], [values[i] for i in order]
        finite = values
        if not math.isfinite(sum(values)):
            finite = [y for y in values if math.isfinite(y)]
        return cls(steps, values, (min(finite), max(finite)) if finite else ())


@dataclass(frozen=True, slots=True)
class Frame:
    """The drawing area: `width` by `height` dots over a range of steps and a range of values.

    The range of values must be open: `y_low` below `y_high`, both above zero where `is_log`.
    """

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    is_log: bool
    width: int
    height: int

    def row(self, y: float) -> int:
        """The row of dots a finite value lies in."""
        low, high = self._level(self.y_low), self._level(self.y_high)
        # Halved first: the difference of two values near the largest float is infinite.
        span = high / 2 - low / 2
        share = (high / 2 - self._level(y) / 2) / span if span else 0.5
        return min(max(round(share * (self.height - 1)), 0), self.height - 1)

    def column(self, x: float) -> int:
        """The column of dots a step lies in."""
        span = self.x_high - self.x_low
        share = (x - self.x_low) / span if span else 0.0
        return min(max(round(share * (self.width - 1)), 0), self.width - 1)

    def slices(self, series: Series) -> Iterator[tuple[int, list[float]]]:
        """The values of each column of dots that has any, from left to right."""
        begin, num, column = 0, len(series.xs), -1
        step = (self.x_high - self.x_low) / max(self.width - 1, 1)
        while begin < num:
            # A step on the very edge may round back into the column before.
            column = min(max(self.column(series.xs[begin]), column + 1), self.width - 1)
            edge = self.x_low + (column + 0.5) * step
            # Points of one step stay together, also where two edges are one and the same float.
            after = bisect_right(series.xs, series.xs[begin], begin)
            is_last = column == self.width - 1
            end = num if is_last else max(bisect_left(series.xs, edge, begin), after)
            yield column, series.ys[begin:end]
            begin = end

    def _level(self, y: float) -> float:
        return math.log10(y) if self.is_log else y


def opened(low: float, high: float, *, is_log: bool) -> tuple[float, float]:
    """The range of values itself, or a little more where all values are one."""
    if low < high:
        return low, high
    if is_log:
        return low / 1.25 or low / 2 or low, min(high * 1.25, _LARGEST)
    around = abs(low) * 0.05 or 1.0
    return max(low - around, -_LARGEST), min(high + around, _LARGEST)
