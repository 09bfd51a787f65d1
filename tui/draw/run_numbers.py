"""The numbers of a run, each as a label with what belongs to it, cut to the room there is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from engine.runs.status import Status
from tui.draw.history import Trend
from tui.draw.line import Line, Run, line
from tui.draw.pace import own_steps
from tui.draw.run_head import joined
from tui.draw.words import loss

LABEL_WIDTH = 10
# Steps that stand for the speed of the beginning, without the first, which warms up; and of now.
_FIRST, _NOW = 20, 10
# Steps over which the usual size of the gradient is told.
_USUAL = 100


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and its parts, the most important first."""

    label: str
    parts: tuple[Line, ...]

    def drawn(self, width: int) -> Line:
        """One line of at most `width` cells; the last parts are left out where room is short."""
        return (
            (f"{self.label:<{LABEL_WIDTH}}", "dim"),
            *joined(list(self.parts), width - LABEL_WIDTH),
        )


def training_facts(status: Status, trend: Trend) -> list[Fact]:
    """Loss, held-out loss, gradient, learning rate, speed, accuracy, memory, checkpoint."""
    return [
        _loss(status, trend),
        _held_out(status, trend),
        _gradient(status, trend),
        _learning_rate(status),
        _speed(status),
        _accuracy(status),
        _memory(status),
        _saved(status),
    ]


def in_two_columns(facts: list[Fact], width: int) -> tuple[list[Line], list[Line]]:
    """Every other fact at the left, the rest at the right, each `width` cells wide."""
    return [f.drawn(width) for f in facts[::2]], [f.drawn(width) for f in facts[1::2]]


def _loss(status: Status, trend: Trend) -> Fact:
    if not status.steps:
        return Fact("loss", (line(("no step yet", "dim")),))
    raw = status.steps[-1].loss
    parts = [line((loss(trend.loss), "value")), line(f"raw {loss(raw)}")]
    if not math.isfinite(raw):
        parts = [line((f"{loss(raw)}, not a finite number", "fail"))]
        if math.isfinite(trend.loss):
            parts.append(line(f"before {loss(trend.loss)}"))
    if math.isfinite(trend.change) and math.isfinite(raw):
        parts.append(line(f"{_signed(trend.change)} in {trend.over_steps:,} steps"))
    return Fact("loss", tuple(parts))


def _held_out(status: Status, trend: Trend) -> Fact:
    if not status.evals:
        text = "no rows held out" if _holds_none(status) else "not evaluated yet"
        return Fact("held out", (line((text, "dim")),))
    last, best = status.evals[-1], status.best
    role = "value" if math.isfinite(last.loss) else "fail"
    parts = [line((loss(last.loss), role))]
    if best is not None and best.step > 0:
        parts.append(line("best now" if best is last else f"best {loss(best.loss)} at {best.step}"))
    gap = last.loss - trend.loss
    if math.isfinite(gap) and last.step > 0:
        parts.append(line(f"gap {_signed(gap)}"))
    return Fact("held out", tuple(parts))


def _holds_none(status: Status) -> bool:
    return status.plan is not None and status.plan.num_eval_rows == 0


def _gradient(status: Status, trend: Trend) -> Fact:
    if not status.steps:
        return Fact("grad norm", ())
    now = status.steps[-1].grad_norm
    recent = [s.grad_norm for s in status.steps[-_USUAL:] if math.isfinite(s.grad_norm)]
    parts = [line((_number(now), "value" if math.isfinite(now) else "fail"))]
    if len(recent) > 1:
        parts += [
            line(f"median {_number(median(recent))}"),
            line(f"max {_number(trend.max_grad_norm)}"),
        ]
    return Fact("grad norm", tuple(parts))


def _learning_rate(status: Status) -> Fact:
    if not status.steps:
        return Fact("lr", ())
    now = status.steps[-1].learning_rate
    recent = status.steps[-2].learning_rate if len(status.steps) > 1 else now
    way = "warming up" if now > recent else "decaying" if now < recent else ""
    return Fact("lr", (line((f"{now:.3g}", "value")), line(way)))


def _speed(status: Status) -> Fact:
    own = own_steps(status)
    first = [s.tokens_per_s for s in own[1 : 1 + _FIRST] if math.isfinite(s.tokens_per_s)]
    now = [s.tokens_per_s for s in own[-_NOW:] if math.isfinite(s.tokens_per_s)]
    if not now:
        return Fact("tok/s", ())
    speed = median(now)
    parts = [line((f"{speed:,.0f}", "value"))]
    if len(own) > _FIRST and median(first) > 0:
        change = speed / median(first) - 1
        text = f"{change:+.0%} against the first steps"
        parts.append(line((text, "warn")) if change < -0.2 else line(text))
    parts.append(line(f"{status.steps[-1].tokens:,} so far"))
    return Fact("tok/s", tuple(parts))


def _accuracy(status: Status) -> Fact:
    if not status.steps:
        return Fact("accuracy", ())
    last = status.steps[-1]
    parts: list[Line] = []
    if math.isfinite(last.accuracy):
        parts.append(line((f"{last.accuracy:.1%}", "value"), " of tokens"))
    if math.isfinite(last.entropy):
        parts.append(line(f"entropy {last.entropy:.3f}"))
    return Fact("accuracy", tuple(parts) or (line(("not measured", "dim")),))


def _memory(status: Status) -> Fact:
    if not status.steps:
        return Fact("memory", ())
    last = status.steps[-1]
    if last.vram_gib > 0 or last.vram_reserved_gib > 0:
        peak: Run = (f"{last.vram_gib:.2f} GiB", "value")
        return Fact(
            "memory", (line(peak, " peak"), line(f"{last.vram_reserved_gib:.2f} GiB reserved"))
        )
    return Fact("memory", (line((f"{last.ram_gib:.2f} GiB", "value"), " of RAM"),))


def _saved(status: Status) -> Fact:
    if not status.checkpoints:
        return Fact("saved", (line(("no checkpoint yet", "dim")),))
    last = status.checkpoints[-1]
    parts = [line((f"step {last.step:,}", "value")), line(f"({last.reason})")]
    parts.append(line(f"{len(status.checkpoints)} kept"))
    return Fact("saved", tuple(parts))


def _signed(value: float) -> str:
    return f"{value:+.4f}" if abs(value) < 10 else f"{value:+.3g}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return loss(value)
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"
