"""Changes that make a run fit, cheapest first, each with what it would bring and cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.errors import TailfinError
from engine.memory.budget import Budget
from engine.memory.changes import Change, Cost, rungs
from engine.memory.estimate import estimate
from engine.memory.model_shape import ModelShape
from engine.memory.search import Choice, Rungs, cheapest, chosen, cost_of
from engine.spec import Spec

_COSTS: tuple[Cost, ...] = ("none", "speed", "quality")
# Less than this share of the peak is not worth a word.
_NOTICEABLE = 0.01


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change, or several together: the settings, what they cost, and the predicted peak.

    `step_time` is the time of a step over that of now by counted operations, None where only a
    measurement could say; `gives_up` says in words what is lost.
    """

    says: str
    sets: tuple[str, ...]
    cost: Cost
    peak_gib: float
    fits: bool
    is_tight: bool
    step_time: float | None
    gives_up: str


def remedies(shape: ModelShape, spec: Spec, budget: Budget, *, limit: int = 3) -> list[Remedy]:
    """The cheapest sets of changes that fit, of which no part would do; else what helps in part.

    What leaves the result as it is comes before what costs speed, and that before what costs
    quality. A budget that fits tightly asks for room. One with room to spare is taken to have
    failed all the same: then each change that lowers the peak is an answer, in its mildest form.
    """
    trials = _Trials(shape, spec, budget)
    if budget.fits and not budget.is_tight:
        return _alone(trials, mildest=True)[:limit]
    choices = cheapest(trials.rungs, trials.suffices, limit=limit)
    answers = [remedy for choice in choices if (remedy := trials.remedy(choice)) is not None]
    return answers or _alone(trials, mildest=False)[:limit]


def _alone(trials: _Trials, *, mildest: bool) -> list[Remedy]:
    """The mildest or strongest change of each rung that lowers the peak, what fits first."""
    helping = []
    for place, rung in enumerate(trials.rungs):
        choice = _one(trials.rungs, place, 1 if mildest else len(rung))
        remedy = trials.remedy(choice)
        if remedy is not None and remedy.peak_gib < trials.budget.peak_gib * (1 - _NOTICEABLE):
            helping.append((not remedy.fits, cost_of(trials.rungs, choice), remedy))
    return [remedy for *_, remedy in sorted(helping, key=lambda one: one[:2])]


def _one(rungs: Rungs, place: int, level: int) -> Choice:
    return tuple(level if i == place else 0 for i in range(len(rungs)))


class _Trials:
    """Changed specs and their budgets; each is estimated once."""

    def __init__(self, shape: ModelShape, spec: Spec, budget: Budget) -> None:
        self.budget = budget
        self._shape, self._spec = shape, spec
        self._known: dict[tuple[tuple[str, object], ...], Budget | None] = {}
        self.rungs = tuple(self._telling(rungs(shape, spec, budget)))

    def suffices(self, choice: Choice) -> bool:
        budget = self._estimate(chosen(self.rungs, choice))
        if budget is None or not budget.fits:
            return False
        return not (self.budget.fits and budget.is_tight)

    def remedy(self, choice: Choice) -> Remedy | None:
        """The changes as one remedy; None where the settings do not go together."""
        changes = chosen(self.rungs, choice)
        budget = self._estimate(changes)
        if budget is None or not changes:
            return None
        times = [change.slowdown for change in changes]
        known = [time for time in times if time is not None]
        return Remedy(
            says=" and ".join(change.says for change in changes),
            sets=tuple(f"{path}={_word(value)}" for path, value in _values(changes).items()),
            cost=max((change.cost for change in changes), key=_COSTS.index),
            peak_gib=budget.peak_gib,
            fits=budget.fits,
            is_tight=budget.is_tight,
            step_time=math.prod(known) if len(known) == len(times) else None,
            gives_up="; ".join(change.gives_up for change in changes),
        )

    def _telling(self, found: Rungs) -> Iterator[Sequence[Change]]:
        """The rungs without those that cost quality and bring next to nothing beside the rest."""
        others = [rung[-1] for rung in found if rung[0].cost != "quality"]
        beside = self._estimate(others)
        for rung in found:
            if rung[0].cost == "quality" and beside is not None:
                with_it = self._estimate([*others, rung[-1]])
                if with_it is None or with_it.peak_gib > beside.peak_gib * (1 - _NOTICEABLE):
                    continue
            yield rung

    def _estimate(self, changes: Sequence[Change]) -> Budget | None:
        values = _values(changes)
        key = tuple(values.items())
        if key not in self._known:
            self._known[key] = self._fresh(values)
        return self._known[key]

    def _fresh(self, values: dict[str, object]) -> Budget | None:
        spec, budget = _changed(self._spec, values), self.budget
        try:
            length = spec.data.max_length or budget.length
            return estimate(self._shape, spec, length, budget.card)
        except TailfinError:
            return None


def _values(changes: Sequence[Change]) -> dict[str, object]:
    values: dict[str, object] = {}
    for change in changes:
        values.update(change.values)
    return values


def _changed(spec: Spec, values: dict[str, object]) -> Spec:
    sections: dict[str, dict[str, object]] = {}
    for path, value in values.items():
        section, _, name = path.partition(".")
        sections.setdefault(section, {})[name] = value
    return spec.model_copy(
        update={
            section: getattr(spec, section).model_copy(update=fields)
            for section, fields in sections.items()
        }
    )


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
