"""`status = fold(status, event)`: the only meaning of the event log."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from engine.runs.events import (
    Acted,
    Body,
    Checkpointed,
    Evaluated,
    Event,
    Exited,
    Failed,
    Finished,
    Notice,
    Plan,
    Predicted,
    Progress,
    Pruned,
    Rehearsed,
    Stage,
    Started,
    Step,
    Stopped,
)
from engine.runs.series import Series

Ending = Literal["", "finished", "stopped", "failed", "exited"]
_MAX_NOTICES = 100


@dataclass(frozen=True, slots=True)
class Status:
    """What the log says so far. Charts, counts, resume and replay read this and nothing else."""

    seq: int = -1
    first_time: float = 0.0
    last_time: float = 0.0
    started: Started | None = None
    started_time: float = 0.0
    ending: Ending = ""
    stage: str = ""
    stage_detail: str = ""
    progress: Progress | None = None
    plan: Plan | None = None
    predicted: Predicted | None = None
    rehearsed: Rehearsed | None = None
    steps: Series[Step] = field(default_factory=Series[Step])
    evals: Series[Evaluated] = field(default_factory=Series[Evaluated])
    checkpoints: tuple[Checkpointed, ...] = ()
    notices: tuple[Notice, ...] = ()
    acts: tuple[Acted, ...] = ()
    changes: tuple[tuple[str, str], ...] = ()
    finished: Finished | None = None
    stopped: Stopped | None = None
    failed: Failed | None = None
    exited: Exited | None = None

    @property
    def attempt(self) -> int:
        return self.started.attempt if self.started else 0

    @property
    def step(self) -> int:
        """The last step known to be done: logged, evaluated, checkpointed or resumed from."""
        known = [self.started.from_step if self.started else 0]
        known += [self.steps[-1].step] if self.steps else []
        known += [self.evals[-1].step] if self.evals else []
        known += [self.checkpoints[-1].step] if self.checkpoints else []
        return max(known)

    @property
    def best(self) -> Evaluated | None:
        """The evaluation with the lowest finite held-out loss."""
        finite = [e for e in self.evals if math.isfinite(e.loss)]
        return min(finite, key=lambda e: e.loss) if finite else None


def fold(status: Status, event: Event) -> Status:
    """The status after one more event; pure, and total over any order of events."""
    status = replace(
        status,
        seq=event.seq,
        first_time=status.first_time or event.time,
        last_time=event.time,
    )
    return _apply(status, event.body, event.time)


def fold_all(events: list[Event], status: Status | None = None) -> Status:
    """Fold a batch, starting from `status` or from nothing."""
    result = status if status is not None else Status()
    for event in events:
        result = fold(result, event)
    return result


def _apply(status: Status, body: Body, time: float) -> Status:  # noqa: PLR0912
    match body:
        case Started():
            return _begin(status, body, time)
        case Stage():
            return replace(status, stage=body.name, stage_detail=body.detail, progress=None)
        case Progress():
            return replace(status, progress=body)
        case Plan():
            return replace(status, plan=body)
        case Predicted():
            return replace(status, predicted=body)
        case Rehearsed():
            return replace(status, rehearsed=body)
        case Step():
            return replace(status, steps=status.steps.append(body))
        case Evaluated():
            return replace(status, evals=status.evals.append(body))
        case Checkpointed():
            return replace(status, checkpoints=(*status.checkpoints, body))
        case Pruned():
            kept = tuple(c for c in status.checkpoints if c.path != body.path)
            return replace(status, checkpoints=kept)
        case Notice():
            return replace(status, notices=(*status.notices, body)[-_MAX_NOTICES:])
        case Acted():
            return replace(status, acts=(*status.acts, body)[-_MAX_NOTICES:])
        case Finished():
            return replace(status, ending="finished", finished=body)
        case Stopped():
            return replace(status, ending="stopped", stopped=body)
        case Failed():
            return replace(status, ending="failed", failed=body)
        case Exited():
            # A worker's own last word outranks what the supervisor saw of its exit.
            return replace(status, ending=status.ending or "exited", exited=body)


def _begin(status: Status, started: Started, time: float) -> Status:
    """A new attempt: what lies behind the step it continues from did not happen."""
    last = started.from_step
    steps = sum(1 for point in status.steps if point.step <= last)
    evals = sum(1 for point in status.evals if point.step <= last)
    changes = dict(status.changes) | (started.changes or {})
    return replace(
        status,
        started=started,
        started_time=time,
        ending="",
        stage="",
        stage_detail="",
        progress=None,
        steps=status.steps.cut(steps),
        evals=status.evals.cut(evals),
        checkpoints=tuple(c for c in status.checkpoints if c.step <= last),
        changes=tuple(sorted(changes.items())),
        predicted=None,
        rehearsed=None,
        finished=None,
        stopped=None,
        failed=None,
        exited=None,
    )
