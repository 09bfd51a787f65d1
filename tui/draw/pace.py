"""How fast a run goes: seconds per step, time left, and whether it has gone quiet."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from engine.runs.events import Step
from engine.runs.status import Status

# Steps that the speed of now is read from.
_RECENT = 50
# The run is called quiet past both of these: so long, and so many usual steps.
QUIET_S, QUIET_TIMES = 30.0, 10.0
# The same while no two steps have told how long one takes: the first may compile for minutes.
UNKNOWN_S = 300.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds per step (NaN while unknown) and the seconds left (NaN while unknown)."""

    step_s: float = math.nan
    left_s: float = math.nan


def pace(status: Status) -> Pace:
    """The speed of the steps of this attempt, told by their median: one slow step moves nothing.

    The time left adds what evaluations and checkpoints took per step so far. `elapsed_s` of a
    step counts from the beginning of its attempt, so steps of earlier attempts tell nothing.
    """
    own = own_steps(status, _RECENT)
    times = [
        (after.elapsed_s - before.elapsed_s) / (after.step - before.step)
        for before, after in pairwise(own)
        if after.step > before.step and after.elapsed_s > before.elapsed_s
    ]
    if not times:
        return _rehearsed(status)
    step_s = median(times)
    if status.plan is None:
        return Pace(step_s)
    from_step = status.started.from_step if status.started else 0
    done = status.step - from_step
    pauses_s = sum(e.elapsed_s for e in status.evals if e.step > from_step)
    pauses_s += sum(c.elapsed_s for c in status.checkpoints if c.step > from_step)
    remaining = max(status.plan.max_steps - status.step, 0)
    return Pace(step_s, remaining * (step_s + (pauses_s / done if done > 0 else 0.0)))


def _rehearsed(status: Status) -> Pace:
    """Before two steps have told: the rehearsal's speed, at the usual number of tokens."""
    plan, tried = status.plan, status.rehearsed
    if plan is None or tried is None or tried.tokens_per_s <= 0 or not plan.num_rows:
        return Pace()
    rows = plan.micro_batch * plan.accumulation
    step_s = plan.tokens_per_epoch / plan.num_rows * rows / tried.tokens_per_s
    if not step_s:
        return Pace()
    left_s = max(plan.max_steps - status.step, 0) * step_s
    # About five evaluations and checkpoints are made where nothing else was asked for.
    return Pace(step_s, left_s + 5 * (tried.eval_s + tried.save_s))


def own_steps(status: Status, most: int = 0) -> list[Step]:
    """The logged steps of this attempt, only the last `most` of them where that is given."""
    first = status.started.from_step if status.started else 0
    begin = bisect_right(status.steps, first, key=lambda step: step.step)
    if most:
        begin = max(begin, len(status.steps) - most)
    return status.steps[begin:]


def quiet_s(status: Status, now: float) -> float:
    """Seconds since the last sign of life while steps are due; 0 while nothing is odd."""
    if status.stage != "train" or evaluating(status):
        return 0.0
    step_s = pace(status).step_s
    usual_s = UNKNOWN_S if math.isnan(step_s) else QUIET_TIMES * step_s
    age_s = now - status.last_time
    return age_s if age_s > max(QUIET_S, usual_s) else 0.0


def evaluating(status: Status) -> bool:
    """Whether an evaluation within the training is going on."""
    shown = status.progress
    return shown is not None and shown.stage == "eval" and shown.done < shown.total


def rounded(seconds: float) -> float:
    """A time left as exact as it is known: its text then stands still for a while."""
    if not math.isfinite(seconds):
        return seconds
    for limit, unit in ((60, 1), (300, 5), (1200, 10), (3600, 30), (36_000, 60)):
        if seconds < limit:
            return math.ceil(seconds / unit) * unit
    return math.ceil(seconds / 300) * 300
