"""Rows drawn from several sets by weight, in an order that a seed decides."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mixture:
    """`order` names rows as (set, index in the set); `counts` says how many of each set.

    `num_repeated` counts for each set the rows that are in the mixture more often than once
    allows: all beyond its first time.
    """

    order: tuple[tuple[int, int], ...]
    counts: tuple[int, ...]
    num_repeated: tuple[int, ...]


def mix(sizes: Sequence[int], weights: Sequence[float], num_rows: int, seed: int) -> Mixture:
    """Draw `num_rows` rows from sets of these sizes, each by its share of all weights.

    Every row of a set is drawn once before one is drawn again.
    """
    counts = _counts(weights, num_rows)
    order: list[tuple[int, int]] = []
    for number, (size, count) in enumerate(zip(sizes, counts, strict=True)):
        # Seeded by text, so that a set draws the same whatever stands before it.
        chance = random.Random(f"{seed}/{number}")
        drawn: list[int] = []
        while len(drawn) < count:
            once = list(range(size))
            chance.shuffle(once)
            drawn += once[: count - len(drawn)]
        order += [(number, index) for index in drawn]
    random.Random(f"{seed}/order").shuffle(order)
    repeated = tuple(max(count - size, 0) for size, count in zip(sizes, counts, strict=True))
    return Mixture(tuple(order), tuple(counts), repeated)


def most_without_repeats(sizes: Sequence[int], weights: Sequence[float]) -> int:
    """The largest mixture of these weights in which no row occurs twice."""
    total = sum(weights)
    pairs = list(zip(sizes, weights, strict=True))
    most = int(min(size * total / weight for size, weight in pairs))
    while most and any(
        count > size for (size, _), count in zip(pairs, _counts(weights, most), strict=True)
    ):
        most -= 1
    return most


def _counts(weights: Sequence[float], num_rows: int) -> list[int]:
    """Rows per set, their sum exact, the largest remainders rounded up."""
    total = sum(weights)
    exact = [weight * num_rows / total for weight in weights]
    counts = [int(part) for part in exact]
    by_rest = sorted(range(len(exact)), key=lambda number: counts[number] - exact[number])
    for number in by_rest[: num_rows - sum(counts)]:
        counts[number] += 1
    return counts
