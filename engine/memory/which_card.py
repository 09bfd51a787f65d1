"""Which card a run would need: the budget against every card in the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.findings import any_fail
from engine.memory.budget import Budget
from engine.memory.cards import Card, known_cards
from engine.memory.estimate import estimate
from engine.memory.model_shape import ModelShape
from engine.spec import Spec

Verdict = Literal["fits", "tight", "no"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A card, alone and empty, beside what the run needs of it.

    `tight` means that the highest fragmentation that was seen would not fit. `why_not` says what
    else is against it, such as a kernel that does not run there.
    """

    card: Card
    verdict: Verdict
    peak_gib: float
    headroom_gib: float
    why_not: str = ""


def which_card(
    shape: ModelShape, spec: Spec, length: int, cards: Sequence[Card] | None = None
) -> tuple[Candidate, ...]:
    """Every card of the table, smallest memory first. Prices are not in it: they change by the day.

    Raises TailfinError for settings that cannot work with this model on any card.
    """
    chosen = known_cards() if cards is None else cards
    return tuple(_candidate(estimate(shape, spec, length, card)) for card in chosen)


def smallest(candidates: Sequence[Candidate]) -> Candidate | None:
    """The card with the least memory that has room, else the first that fits tightly."""
    for wanted in ("fits", "tight"):
        for candidate in sorted(candidates, key=lambda one: one.card.usable_gib):
            if candidate.verdict == wanted:
                return candidate
    return None


def _candidate(budget: Budget) -> Candidate:
    faults = [finding.message for finding in budget.findings if any_fail([finding])]
    verdict: Verdict = "no"
    if budget.fits and not faults:
        verdict = "tight" if budget.is_tight else "fits"
    headroom = budget.card.usable_gib - budget.peak_gib
    return Candidate(budget.card, verdict, budget.peak_gib, headroom, " ".join(faults))
