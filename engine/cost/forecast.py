"""How long a run that has not begun will take, and from what that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine import pace
from engine.cost.rates import rate_of
from engine.memory.cards import Card
from engine.memory.model_shape import ModelShape
from engine.runs.store import RunFolder
from engine.spec import Spec
from engine.steps import num_steps


@dataclass(frozen=True, slots=True)
class Amount:
    """What is trained on: tokens of one epoch, its rows, and the rows held out."""

    tokens_per_epoch: int
    num_rows: int
    eval_rows: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """Seconds from start to end, least and most (the same where a run was measured); the basis."""

    least_s: float
    most_s: float
    basis: str


def forecast(
    shape: ModelShape,
    spec: Spec,
    length: int,
    card: Card,
    amount: Amount,
    runs: Sequence[RunFolder] = (),
) -> Forecast | None:
    """From an earlier run of the same work, else from the card's data sheet, else None.

    Of the sheet only training counts; start, evaluations and checkpoints come on top.
    """
    if amount.tokens_per_epoch <= 0 or amount.num_rows <= 0:
        return None
    earlier = pace.expected(
        spec, amount.tokens_per_epoch, amount.num_rows, amount.eval_rows, card.name, runs
    )
    if earlier is not None:
        return Forecast(earlier.seconds, earlier.seconds, earlier.basis)
    rate = rate_of(shape, spec, length, card)
    if rate is None:
        return None
    tokens = tokens_of(spec, amount)
    basis = f"by the data sheet of {card.name}, unmeasured"
    return Forecast(tokens / rate.high, tokens / rate.low, basis)


def tokens_of(spec: Spec, amount: Amount) -> float:
    """Tokens of the whole run."""
    if not spec.train.max_steps:
        return amount.tokens_per_epoch * spec.train.epochs
    rows = num_steps(spec, amount.num_rows) * spec.train.micro_batch * spec.train.accumulation
    return rows * amount.tokens_per_epoch / amount.num_rows
