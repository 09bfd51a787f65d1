"""The past of a run as curves: grows with the log, begins anew where a resume dropped steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.runs.events import Step
from engine.runs.status import Status
from tui.draw.decimated import Decimated
from tui.draw.smooth import Smoother

Metric = Literal["loss", "grad norm", "learning rate", "tok/s"]
METRICS: tuple[Metric, ...] = ("loss", "grad norm", "learning rate", "tok/s")

Points = tuple[Sequence[float], Sequence[float]]
# Below this many steps a change tells nothing.
_FEW = 10


@dataclass(frozen=True, slots=True)
class Curves:
    """One metric as it is drawn: steps and values of the raw, the smoothed and the held-out one.

    `low` and `high` hold every finite value of all of them; both are NaN while there is none.
    """

    metric: Metric
    raw: Points = ((), ())
    smoothed: Points = ((), ())
    held_out: Points = ((), ())
    low: float = math.nan
    high: float = math.nan
    max_steps: int = 0
    marks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Trend:
    """Where the loss goes: smoothed, its change over the last tenth, and what was not finite."""

    loss: float = math.nan
    change: float = math.nan
    over_steps: int = 0
    num_broken: int = 0
    first_broken: int = 0
    max_grad_norm: float = math.nan


class History:
    """Takes each new step once, so that a look at step 20,000 costs what it cost at step 20."""

    def __init__(self) -> None:
        self._past = _Past()
        self._status = Status()

    def update(self, status: Status) -> None:
        """Take the steps that came since the last call, or all where earlier ones were dropped."""
        if not self._past.is_beginning_of(status.steps):
            self._past = _Past()
        for step in status.steps[len(self._past.steps) :]:
            self._past.take(step)
        self._status = status

    def trend(self) -> Trend:
        """The loss so far in a few numbers."""
        return self._past.trend()

    def curves(self, metric: Metric) -> Curves:
        """What a chart of this metric needs, a few hundred points of it."""
        line = self._past.line(metric)
        status = self._status
        evals = [(float(e.step), e.loss) for e in status.evals] if metric == "loss" else []
        finite = [y for y in (line.low, line.high, *(y for _, y in evals)) if math.isfinite(y)]
        return Curves(
            metric,
            line.raw.points(),
            line.smooth.points(),
            ([x for x, _ in evals], [y for _, y in evals]),
            min(finite, default=math.nan),
            max(finite, default=math.nan),
            status.plan.max_steps if status.plan else 0,
            _marks(status, metric),
        )


class _Past:
    """Steps that were taken and what was counted over them."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._smoother = Smoother()
        self._smoothed: list[float] = []
        self._num_broken = self._first_broken = 0
        self._max_grad_norm = math.nan
        self._lines: dict[Metric, _Line] = {}

    def is_beginning_of(self, steps: Sequence[Step]) -> bool:
        """Whether these steps only go on where the taken ones end."""
        num = len(self.steps)
        return num == 0 or (num <= len(steps) and steps[num - 1] is self.steps[-1])

    def take(self, step: Step) -> None:
        self.steps.append(step)
        self._smoothed.append(self._smoother.add(step.loss))
        if not math.isfinite(step.loss):
            self._first_broken = self._first_broken or step.step
            self._num_broken += 1
        if math.isfinite(step.grad_norm) and not step.grad_norm <= self._max_grad_norm:
            self._max_grad_norm = step.grad_norm

    def trend(self) -> Trend:
        if not self.steps:
            return Trend()
        change, over = math.nan, 0
        if len(self.steps) > _FEW:
            before = -1 - max(1, round(len(self.steps) * 0.1))
            change = self._smoothed[-1] - self._smoothed[before]
            over = self.steps[-1].step - self.steps[before].step
        return Trend(
            loss=self._smoothed[-1],
            change=change,
            over_steps=over,
            num_broken=self._num_broken,
            first_broken=self._first_broken,
            max_grad_norm=self._max_grad_norm,
        )

    def line(self, metric: Metric) -> _Line:
        if metric not in self._lines:
            self._lines[metric] = _Line(_READ[metric], is_smoothed=metric != "learning rate")
        self._lines[metric].take(self.steps)
        return self._lines[metric]


_READ: dict[Metric, Callable[[Step], float]] = {
    "loss": lambda step: step.loss,
    "grad norm": lambda step: step.grad_norm,
    "learning rate": lambda step: step.learning_rate,
    "tok/s": lambda step: step.tokens_per_s,
}


class _Line:
    """One metric, built only once it is looked at."""

    def __init__(self, read: Callable[[Step], float], *, is_smoothed: bool) -> None:
        self._read = read
        self._is_smoothed = is_smoothed
        self._smoother = Smoother()
        self._count = 0
        self.raw, self.smooth = Decimated(), Decimated()
        self.low = self.high = math.nan

    def take(self, steps: list[Step]) -> None:
        for step in steps[self._count :]:
            x, y = float(step.step), self._read(step)
            self.raw.add(x, y)
            if math.isfinite(y):
                self.low = y if not self.low <= y else self.low
                self.high = y if not self.high >= y else self.high
            if self._is_smoothed and math.isfinite(y):
                self.smooth.add(x, self._smoother.add(y))
        self._count = len(steps)


def _marks(status: Status, metric: Metric) -> tuple[tuple[float, str], ...]:
    marks: list[tuple[float, str]] = []
    best = status.best
    if metric == "loss" and best is not None and best.step > 0:
        marks.append((float(best.step), "best"))
    if status.started is not None and status.started.attempt > 1:
        marks.append((float(status.started.from_step), "resumed"))
    return tuple(marks)
