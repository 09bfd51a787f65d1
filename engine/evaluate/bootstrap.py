"""How sure a difference in held-out loss is: a paired bootstrap over rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

SEED = 20_240
CONFIDENCE = 0.95
# Below this many rows an interval says more about the rows than about the models.
MIN_ROWS = 30
_MAX_DRAWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """Tuned minus base, in nats per trained token: the difference and its 95 % bounds."""

    difference: float
    low: float
    high: float


def paired_interval(
    base: Sequence[float], tuned: Sequence[float], tokens: Sequence[int]
) -> Interval:
    """The token-weighted difference of two models' losses on the same rows.

    `base` and `tuned` are summed losses per row, `tokens` the trained tokens of each row. Rows are
    drawn with replacement, both models' values of a row together; the seed is fixed.
    """
    gaps = [after - before for before, after in zip(base, tuned, strict=True)]
    rows = list(zip(gaps, tokens, strict=True))
    num_draws = max(200, min(2000, _MAX_DRAWS // len(rows)))
    chance = random.Random(SEED)
    means = []
    for _ in range(num_draws):
        drawn = chance.choices(rows, k=len(rows))
        means.append(sum(gap for gap, _ in drawn) / sum(count for _, count in drawn))
    means.sort()
    tail = (1 - CONFIDENCE) / 2
    return Interval(
        difference=sum(gaps) / sum(tokens),
        low=means[int(tail * num_draws)],
        high=means[min(num_draws - 1, int((1 - tail) * num_draws))],
    )


def verdict(interval: Interval, num_rows: int) -> str:
    """The difference in words a person can act on."""
    if num_rows < MIN_ROWS:
        return "too few to tell"
    if interval.high < 0:
        return "tuned is better"
    if interval.low > 0:
        return "tuned is worse"
    return "no clear difference"
