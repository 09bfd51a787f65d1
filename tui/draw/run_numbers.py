"""The numbers of a run: loss, held-out loss, gradient, learning rate, speed, memory, checkpoint."""

from __future__ import annotations

import math
from statistics import median

from engine.runs.events import Plan
from engine.runs.status import Status
from tui.draw.fact import Fact
from tui.draw.history import Trend
from tui.draw.line import Line, line
from tui.draw.pace import own_steps
from tui.draw.words import loss

# Steps that stand for the speed of the beginning, without the first, which warms up; and of now.
_FIRST, _NOW = 20, 10
# Steps over which the usual size of the gradient is told.
_USUAL = 100
# Below this share of the first steps' speed a word is due.
_SLOWER = -0.2


def run_facts(status: Status, trend: Trend, *, is_short: bool = False) -> list[Fact]:
    """The numbers in pairs, two pairs where `is_short`; before there are any, what is planned."""
    if not status.steps and not status.evals:
        return plan_facts(status.plan)
    if is_short:
        return [_loss(status, trend), _held_out(status, trend), _speed(status), _memory(status)]
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


def plan_facts(plan: Plan | None) -> list[Fact]:
    """What the run resolved to once model and data were known."""
    if plan is None:
        return []
    share = plan.trained_params / plan.total_params if plan.total_params else 0.0
    batch = f"{plan.micro_batch} x {plan.accumulation} a step"
    cut = f"{plan.cut_share:.1%} cut" if plan.cut_share > 0 else "none cut"
    return [
        Fact("rows", (line(f"{plan.num_rows:,}"), line(f"{plan.num_eval_rows:,} held out"))),
        Fact("batch", (line(batch), line(f"{plan.max_length:,} tokens a row, {cut}"))),
        Fact("trains", (line(f"{plan.trained_params:,} parameters"), line(f"{share:.2%}"))),
        Fact("device", (line(f"{plan.device} {plan.dtype}".strip()),)),
    ]


def held_out_lines(status: Status, height: int) -> list[Line]:
    """The evaluations, newest first, under a heading; no line where there is none."""
    if not status.evals or height < 2:
        return []
    best = status.best
    drawn = [line(("held out", "title"))]
    for one in reversed(status.evals[-(height - 1) :]):
        accuracy = f"{one.accuracy:7.1%}" if math.isfinite(one.accuracy) else ""
        step = f"step {one.step:,}" if one.step else "before"
        role = "value" if math.isfinite(one.loss) else "fail"
        word = "  best" if one is best else ""
        drawn.append(line((f"{step:<14}", "dim"), (f"{loss(one.loss):>9}", role), accuracy, word))
    return drawn


def _loss(status: Status, trend: Trend) -> Fact:
    if not status.steps:
        return Fact("loss", (line(("no step yet", "dim")),))
    raw = status.steps[-1].loss
    if not math.isfinite(raw):
        before = [line(f"before {loss(trend.loss)}")] if math.isfinite(trend.loss) else []
        return Fact("loss", (line((f"{loss(raw)}, not a number to train on", "fail")), *before))
    smoothed, beside = line((loss(trend.loss), "value")), line(f"raw {loss(raw)}")
    if not math.isfinite(trend.change):
        return Fact("loss", (smoothed, beside))
    change = line(f"{_signed(trend.change)} in {trend.over_steps:,} steps")
    short = line(*smoothed, f" {_signed(trend.change)}")
    return Fact("loss", (smoothed, change, beside), (short, beside))


def _held_out(status: Status, trend: Trend) -> Fact:
    if not status.evals:
        is_none = status.plan is not None and status.plan.num_eval_rows == 0
        text = "no rows are held out" if is_none else "not evaluated yet"
        return Fact("held out", (line((text, "dim")),))
    last, best = status.evals[-1], status.best
    parts = [line((loss(last.loss), "value" if math.isfinite(last.loss) else "fail"))]
    short = list(parts)
    gap = last.loss - trend.loss
    if math.isfinite(gap) and last.step > 0:
        parts.append(line(f"gap {_signed(gap)}"))
        short.append(line(f"gap {gap:+.3f}"))
    if best is not None and best.step > 0:
        parts.append(line(f"best {loss(best.loss)} at {best.step:,}"))
        short.append(line("best now" if best is last else f"best at {best.step}"))
    elif last.step == 0:
        parts.append(line(("before training", "dim")))
        short = []
    return Fact("held out", tuple(parts), tuple(short))


def _gradient(status: Status, trend: Trend) -> Fact:
    if not status.steps:
        return Fact("grad", ())
    now = status.steps[-1].grad_norm
    recent = [s.grad_norm for s in status.steps[-_USUAL:] if math.isfinite(s.grad_norm)]
    parts = [line((_norm(now), "value" if math.isfinite(now) else "fail"))]
    if len(recent) > 1:
        parts.append(line(f"median {_norm(median(recent))}"))
        parts.append(line(f"max {_norm(trend.max_grad_norm)}"))
    return Fact("grad", tuple(parts))


def _learning_rate(status: Status) -> Fact:
    if not status.steps:
        return Fact("lr", ())
    now = status.steps[-1].learning_rate
    before = status.steps[-2].learning_rate if len(status.steps) > 1 else now
    way = "rising" if now > before else "falling" if now < before else ""
    return Fact("lr", (line((f"{now:.3g}", "value")), line(way)))


def _speed(status: Status) -> Fact:
    own = own_steps(status)
    first = [s.tokens_per_s for s in own[1 : 1 + _FIRST] if math.isfinite(s.tokens_per_s)]
    now = [s.tokens_per_s for s in own[-_NOW:] if math.isfinite(s.tokens_per_s)]
    if not now:
        return Fact("tok/s", ())
    speed = median(now)
    parts = [line((f"{speed:,.0f}", "value"))]
    if len(own) > _FIRST and first and median(first) > 0:
        change = speed / median(first) - 1
        text = f"{change:+.0%} since the start" if round(change, 2) else "as at the start"
        parts.append(line((text, "warn" if change < _SLOWER else "")))
    return Fact("tok/s", (*parts, line(f"{status.steps[-1].tokens:,} so far")))


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
        peak = line((f"{last.vram_gib:.2f} GiB", "value"), " peak")
        return Fact("memory", (peak, line(f"{last.vram_reserved_gib:.2f} reserved")))
    return Fact("memory", (line((f"{last.ram_gib:.2f} GiB", "value"), " of RAM"),))


def _saved(status: Status) -> Fact:
    if not status.checkpoints:
        return Fact("saved", (line(("no checkpoint yet", "dim")),))
    last = status.checkpoints[-1]
    parts = line((f"step {last.step:,}", "value"), f" ({last.reason})")
    return Fact("saved", (parts, line(f"{len(status.checkpoints)} kept")))


def _signed(value: float) -> str:
    return f"{value:+.4f}" if abs(value) < 10 else f"{value:+.3g}"


def _norm(value: float) -> str:
    if not math.isfinite(value):
        return loss(value)
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"
