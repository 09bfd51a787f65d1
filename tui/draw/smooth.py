"""Smoothing of a noisy curve: a moving average whose window grows with the run."""

from __future__ import annotations

import math
from collections.abc import Sequence


class Smoother:
    """An exponential moving average, one value at a time.

    With `weight` w: mean = w * mean + (1 - w) * y. Without: after n values
    w = 1 - 1 / (1 + sqrt(n)), so about the last sqrt(n) values count: 10 of the first 100, 141 of
    20,000. Corrected for its start (Adam's rule, arxiv.org/abs/1412.6980 section 3, for a weight
    that changes), so that the first value is y itself. What was returned never changes later.
    """

    def __init__(self, weight: float | None = None) -> None:
        if weight is not None and not 0 <= weight < 1:
            raise ValueError(f"a weight lies in 0 <= weight < 1, not at {weight}")
        self.value = math.nan
        self._weight = weight
        self._count = 0
        self._mass = 0.0

    def add(self, y: float) -> float:
        """The average with `y` in it; a value that is not finite is skipped, not averaged.

        NaN until the first finite value.
        """
        if not math.isfinite(y):
            return self.value
        self._count += 1
        weight = self._weight
        if weight is None:
            weight = 1 - 1 / (1 + math.sqrt(self._count))
        self._mass = weight * self._mass + (1 - weight)
        share = (1 - weight) / self._mass
        # Written as a blend of two: a difference of two large losses could overflow.
        self.value = y if self._count == 1 else (1 - share) * self.value + share * y
        return self.value


def smooth(ys: Sequence[float], weight: float | None = None) -> list[float]:
    """One average per value of `ys`, as a `Smoother` gives them."""
    smoother = Smoother(weight)
    return [smoother.add(y) for y in ys]
