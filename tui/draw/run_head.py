"""The two lines above everything else: the state of a run in words, and its stage with progress."""

from __future__ import annotations

import math

from engine.runs.events import Progress
from engine.runs.state import LIVE, Observed, State
from tui.draw.bars import share_bar
from tui.draw.line import Line, clip, fit, line, width_of
from tui.draw.pace import evaluating, pace, rounded
from tui.draw.words import clock, size

# state -> word and role
WORDS: dict[State, tuple[str, str]] = {
    "starting": ("STARTING", "info"),
    "running": ("RUNNING", "ok"),
    "finished": ("FINISHED", "ok"),
    "stopped": ("STOPPED", "warn"),
    "failed": ("FAILED", "fail"),
    "crashed": ("CRASHED", "fail"),
    "elsewhere": ("ON ANOTHER HOST", "warn"),
}
_BAR_WIDTH = 24


def status_line(observed: Observed, now: float, width: int, *, is_stopping: bool = False) -> Line:
    """State, step, share, epoch, time left and time spent; what does not fit is left out."""
    status = observed.status
    is_live = observed.state in LIVE
    word = ("STOPPING", "warn") if is_stopping and is_live else WORDS[observed.state]
    parts: list[Line] = [(word,)]
    plan = status.plan
    if plan is not None:
        share = status.step / plan.max_steps if plan.max_steps else 0.0
        parts.append(
            line("step ", (f"{status.step:,}", "value"), f" of {plan.max_steps:,}  {share:.0%}")
        )
    if is_live and plan is not None:
        left_s = pace(status).left_s
        if math.isfinite(left_s):
            parts.append(line("left ", (clock(rounded(left_s)), "value")))
    if status.started is not None:
        end = now if is_live else status.last_time
        parts.append(line("elapsed ", (clock(max(end - status.started_time, 0.0)), "value")))
    if plan is not None and len(status.steps):
        parts.append(line(f"epoch {status.steps[-1].epoch:.2f} of {plan.epochs:g}"))
    if status.attempt > 1 and status.started is not None:
        parts.append(line(f"attempt {status.attempt}, from step {status.started.from_step:,}"))
    return joined(parts, width)


def stage_line(observed: Observed, now: float, width: int, *, ascii_only: bool) -> Line:
    """What it does now and how far that is; once it has ended, the sentence that explains it."""
    status = observed.status
    if observed.state not in LIVE:
        return line(clip(observed.message, width))
    progress = status.progress
    training = status.stage == "train" and not evaluating(status)
    if training and status.plan is not None:
        done, total = status.step, status.plan.max_steps
        return _progress_line("train", done / total if total else 0.0, [], width, ascii_only)
    if progress is not None and progress.total > 0:
        share = progress.done / progress.total
        return _progress_line(progress.stage, share, _amounts(progress), width, ascii_only)
    if not status.stage:
        return line(("start", "strong"), "  waiting for the worker's first word")
    since_s = now - status.last_time
    for_s = f"for {clock(since_s)}" if since_s >= 2 else ""
    return joined([line((status.stage, "strong")), line(status.stage_detail), line(for_s)], width)


def joined(parts: list[Line], width: int, gap: int = 2) -> Line:
    """The parts side by side, as many of the first ones as fit."""
    drawn: Line = ()
    for part in parts:
        if not part:
            continue
        longer = (*drawn, (" " * gap, ""), *part) if drawn else part
        if width_of(longer) > width:
            return drawn or fit(part, width)
        drawn = longer
    return drawn


def _progress_line(
    name: str, share: float, amounts: list[str], width: int, ascii_only: bool
) -> Line:
    words = joined([line(f"{min(share, 1.0):.0%}"), *(line(text) for text in amounts)], width - 16)
    room = width - width_of(words) - len(name) - 4
    long = max(room, 8) if not amounts else max(min(room, _BAR_WIDTH), 8)
    return (
        *line((name, "strong"), "  "),
        (share_bar(share, long, ascii_only), "info"),
        ("  ", ""),
        *words,
    )


def _amounts(progress: Progress) -> list[str]:
    if progress.unit == "bytes":
        parts = [f"{size(progress.done)} of {size(progress.total)}"]
        parts += [f"{size(progress.rate)}/s"] if progress.rate > 0 else []
    else:
        parts = [f"{progress.done:,.0f} of {progress.total:,.0f} {progress.unit}"]
        parts += [f"{progress.rate:,.3g}/s"] if progress.rate > 0 else []
    return parts + ([f"left {clock(rounded(progress.eta_s))}"] if progress.eta_s >= 1 else [])
