"""A run as one line of a list, and in a few lines of detail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePath

from tui.draw.line import Line, clip_start, columns, drawable, line, wrapped
from tui.draw.spark import spark
from tui.draw.words import ago, clock, loss, moment
from tui.runs_view import RunView

ROLE_OF_STATE = {
    "starting": "accent",
    "running": "accent",
    "finished": "ok",
    "stopped": "info",
    "failed": "fail",
    "crashed": "fail",
    "elsewhere": "warn",
}


def heading_line(width: int) -> Line:
    """What the columns of the list are."""
    widths = _widths(width)
    names = ("run", "state", f"{'step':>11}", "loss", "   last", "held out", "  last event")
    return columns([(name, "dim") for name in names[: len(widths)]], widths)


def run_line(view: RunView, width: int, now: float, *, ascii_only: bool) -> Line:
    """Id, state, steps, the curve of its loss, last and best held-out loss, in `width` cells."""
    status = view.observed.status
    steps = f"{status.step}/{view.max_steps}" if view.max_steps else "-"
    widths = _widths(width)
    cells = [
        # Its end tells more than the year it began in.
        (clip_start(drawable(view.run.id), widths[0]), ""),
        (view.word, ROLE_OF_STATE[view.observed.state]),
        (f"{steps:>11}", ""),
        (spark(_scaled(view.losses), widths[3], ascii_only=ascii_only), "curve-2"),
        (f"{loss(view.last_loss):>7}", ""),
        (f"{loss(view.best_loss):>8}", "value"),
        (f"{ago(status.last_time, now):>12}" if status.last_time else "", "dim"),
    ]
    return columns(cells[: len(widths)], widths)


def detail_lines(view: RunView, width: int, now: float, *, ascii_only: bool) -> list[Line]:
    """What a person asks of a run before opening it."""
    status = view.observed.status
    role = ROLE_OF_STATE[view.observed.state]
    head = line((view.run.id, "title"), "  ", (view.word.upper(), role))
    lines: list[Line] = [head]
    room = max(width - 9, 8)
    if view.observed.message:
        lines += wrapped(view.observed.message, width)[:3]
    elif view.is_live and status.stage:
        stage = f"{status.stage} {status.stage_detail}".rstrip()
        lines.append(line((f"{'stage':<9}", "dim"), stage))
    named = [
        ("model", _tail(view.model, room)),
        ("data", _tail(view.data, room)),
        ("method", _method(view)),
        ("loss", _losses(view)),
        ("when", _when(view, now)),
    ]
    for name, text in named:
        for number, part in enumerate(wrapped(text, room) if text else []):
            lines.append((*line((f"{'' if number else name:<9}", "dim")), *part))
    return lines


def _widths(width: int) -> list[int]:
    """Cells of the columns; the last one, the age, only where there is room."""
    widths = [0, 9, 11, 9, 7, 8]
    if width >= 96:
        widths = [0, 9, 11, 16, 7, 8, 12]
    elif width < 70:
        widths[3] = 4
    widths[0] = max(width - sum(widths) - len(widths) + 1, 8)
    return widths


def _scaled(losses: Sequence[float]) -> Sequence[float]:
    """Logarithms where losses span more than ten times: else all but the start is one flat line."""
    finite = [value for value in losses if math.isfinite(value)]
    if not finite or min(finite) <= 0 or max(finite) < 10 * min(finite):
        return losses
    return [math.log(value) if math.isfinite(value) else value for value in losses]


def _method(view: RunView) -> str:
    plan = view.observed.status.plan
    if plan is None:
        return view.method
    share = plan.trained_params / plan.total_params if plan.total_params else 0.0
    batch = f"{plan.micro_batch} x {plan.accumulation} per step"
    return f"{view.method}, {plan.num_rows:,} rows, {batch}, {share:.2%} trained"


def _losses(view: RunView) -> str:
    status = view.observed.status
    base = next((e.loss for e in status.evals if e.step == 0), None)
    parts = []
    if view.last_loss is not None:
        parts.append(f"last {loss(view.last_loss)}")
    if status.best is not None and status.best.step > 0:
        parts.append(f"held-out {loss(status.best.loss)} at step {status.best.step}")
    if base is not None:
        parts.append(f"base {loss(base)}")
    return ", ".join(parts)


def _when(view: RunView, now: float) -> str:
    status = view.observed.status
    if not status.first_time:
        return ""
    took = clock(status.last_time - status.first_time)
    again = f", attempt {status.attempt}" if status.attempt > 1 else ""
    began = f"began {moment(status.first_time)}"
    return f"{began}, ran for {took}, last event {ago(status.last_time, now)}{again}"


def _tail(path: str, room: int) -> str:
    """A hub name whole; of a path the end, which says more."""
    return clip_start(path, room) if PurePath(path).is_absolute() else path
