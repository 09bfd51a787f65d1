"""What fits a card: the largest micro-batch for each length, with what it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from engine.memory.budget import Budget
from engine.memory.cards import Card
from engine.memory.estimate import estimate
from engine.memory.model_shape import ModelShape
from engine.spec import Spec

SHORTEST = 256
# The spec's own bound of train.micro_batch.
MOST_ROWS = 4096
# Where a config says nothing about positions.
_LONGEST_UNKNOWN = 32_768


@dataclass(frozen=True, slots=True)
class Batch:
    """A micro-batch of `rows` rows and its predicted peak; 0 rows where not even one fits."""

    rows: int
    peak_gib: float


@dataclass(frozen=True, slots=True)
class Corner:
    """One length of the frontier: the largest batch that fits, and the largest with room.

    `largest` fits by the usual fragmentation, `roomy` also by the highest that was seen;
    `least_gib` is the peak of a single row.
    """

    length: int
    largest: Batch
    roomy: Batch
    least_gib: float


def frontier(shape: ModelShape, spec: Spec, card: Card) -> tuple[Corner, ...]:
    """The largest micro-batch of `spec` on `card`, for lengths from 256 to the model's maximum.

    Up to about 20 estimates per length. Raises TailfinError for settings that cannot work with
    this model.
    """
    return tuple(_corner(shape, spec, length, card) for length in lengths(shape))


def lengths(shape: ModelShape) -> Iterator[int]:
    """Powers of two from 256 on, and the model's maximum where it is none."""
    longest = shape.max_positions or _LONGEST_UNKNOWN
    length = SHORTEST
    while length < longest:
        yield length
        length *= 2
    yield longest


def _corner(shape: ModelShape, spec: Spec, length: int, card: Card) -> Corner:
    known: dict[int, Budget] = {}

    def budget(rows: int) -> Budget:
        if rows not in known:
            train = spec.train.model_copy(update={"micro_batch": rows})
            known[rows] = estimate(shape, spec.model_copy(update={"train": train}), length, card)
        return known[rows]

    def batch(fits: Callable[[Budget], bool]) -> Batch:
        rows = _largest(lambda rows: fits(budget(rows)))
        return Batch(rows, budget(rows).peak_gib if rows else 0.0)

    return Corner(
        length=length,
        largest=batch(lambda one: one.fits),
        roomy=batch(lambda one: one.fits and not one.is_tight),
        least_gib=budget(1).peak_gib,
    )


def _largest(fits: Callable[[int], bool]) -> int:
    """The largest number of rows that fits, 0 where none does.

    From two rows on more rows need more. A single one has no padding and so another attention
    kernel, which can need more than two rows do (float16 or float32 on cards before Ampere).
    """
    if not fits(2):
        return int(fits(1))
    low = 2
    while low < MOST_ROWS and fits(min(2 * low, MOST_ROWS)):
        low = min(2 * low, MOST_ROWS)
    high = min(2 * low, MOST_ROWS + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
