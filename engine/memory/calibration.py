"""Predictions beside measurements: how far off they were here, and what that says of the next one.

Nothing is fitted in secret: a card that was measured often enough gets its own context, its own
share of fragmentation and the largest miss seen as a margin, and the budget says so.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from engine.memory.cards import Card

Figure = Literal["tensors", "reserved", "process", "eval tensors", "checkpoint"]
FIGURES: tuple[Figure, ...] = ("tensors", "reserved", "process", "eval tensors", "checkpoint")
# So many runs of a device have to agree before a figure of the table gives way to theirs.
ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of one run, in GiB, as foretold and as measured.

    `stack` names the versions that decide what is allocated, `setting` the method and the rows.
    """

    run: str
    device: str
    stack: str
    setting: str
    tier: str
    figure: Figure
    predicted_gib: float
    measured_gib: float

    @property
    def error(self) -> float:
        """Share of the measured figure; below 0 too little was foretold."""
        return self.predicted_gib / self.measured_gib - 1


@dataclass(frozen=True, slots=True)
class Summary:
    """Errors of one figure on one device and stack, as shares; `lowest` is the worst too little."""

    device: str
    stack: str
    figure: Figure
    count: int
    mean: float
    bias: float
    worst: float
    lowest: float


def summarise(comparisons: Iterable[Comparison]) -> list[Summary]:
    """One line per device, stack and figure, in that order."""
    groups: dict[tuple[str, str, int], list[Comparison]] = {}
    for one in comparisons:
        groups.setdefault((one.device, one.stack, FIGURES.index(one.figure)), []).append(one)
    return [_summary(groups[key]) for key in sorted(groups)]


def calibrated(card: Card, comparisons: Sequence[Comparison]) -> Card:
    """The card as runs on it measured it; as it was where too few did.

    Of stacks the newest run's counts: what an older one allocated says little about this one.
    """
    own = [one for one in comparisons if one.device == card.name]
    if not own:
        return card
    own = [one for one in own if one.stack == own[-1].stack]
    measured = {
        run: {one.figure: one for one in own if one.run == run}
        for run in dict.fromkeys(one.run for one in own)
    }
    contexts = [
        figures["process"].measured_gib - figures["reserved"].measured_gib
        for figures in measured.values()
        if {"process", "reserved"} <= figures.keys()
    ]
    shares = [
        figures["reserved"].measured_gib / figures["tensors"].measured_gib - 1
        for figures in measured.values()
        if {"tensors", "reserved"} <= figures.keys()
    ]
    misses = [-one.error for one in own if one.figure == "tensors"]
    if len(misses) < ENOUGH:
        return card
    card = replace(card, measured_runs=len(misses), miss=max(0.0, *misses))
    if len(contexts) >= ENOUGH:
        card = replace(card, context_gib=max(0.0, statistics.median(contexts)))
    if len(shares) >= ENOUGH:
        card = replace(card, reserved_share=max(0.0, statistics.median(shares)))
    return card


def _summary(group: Sequence[Comparison]) -> Summary:
    errors = [one.error for one in group]
    first = group[0]
    return Summary(
        device=first.device,
        stack=first.stack,
        figure=first.figure,
        count=len(errors),
        mean=statistics.fmean(map(abs, errors)),
        bias=statistics.fmean(errors),
        worst=max(errors, key=abs),
        lowest=min(errors),
    )
