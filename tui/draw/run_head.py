"""The two lines above everything else: the state of a run in words, and its stage with progress."""

from __future__ import annotations

import math

from engine.cost.bill import bill, say_bill
from engine.cost.price import Price
from engine.runs.events import Progress
from engine.runs.state import LIVE, Observed, State
from tui.draw.bars import share_bar
from tui.draw.fact import joined
from tui.draw.line import Line, clip, line, width_of, wrapped
from tui.draw.pace import evaluating, pace, rounded
from tui.draw.words import ago, clock, size

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
# What a training goes through; a download only where the model is not there yet.
STAGES = ("import", "download", "load", "tokenise", "rehearse", "train")
_DETAILS = {"import": "torch and transformers, some ten seconds", "save": "what was learned"}
_BAR_WIDTH = 24
# Lines of the sentence that explains an ending.
_MOST_SAID = 2


def status_line(
    observed: Observed,
    now: float,
    width: int,
    *,
    is_stopping: bool = False,
    price: Price | None = None,
) -> Line:
    """State, step, share, time left and spent, money, epoch; what does not fit is left out."""
    status = observed.status
    is_live = observed.state in LIVE
    word = ("STOPPING", "warn") if is_stopping and is_live else WORDS[observed.state]
    parts: list[Line] = [(word,)]
    plan = status.plan
    if plan is not None:
        share = status.step / plan.max_steps if plan.max_steps else 0.0
        parts.append(line("step ", (f"{status.step:,}", "value"), f"/{plan.max_steps:,}"))
        parts.append(line(_floored(share)))
    left_s = pace(status).left_s if is_live else math.nan
    if left_s > 0:
        parts.append(line("left ", (clock(rounded(left_s)), "value")))
    if status.started is not None:
        end = now if is_live else status.last_time
        parts.append(line("elapsed ", (clock(max(end - status.started_time, 0.0)), "value")))
    if price is not None and status.started is not None:
        parts.append(line((say_bill(bill(observed, now, rounded(left_s)), price), "value")))
    if plan is not None and status.steps:
        parts.append(line(f"epoch {status.steps[-1].epoch:.2f}/{plan.epochs:g}"))
    if status.attempt > 1 and status.started is not None:
        parts.append(line(f"attempt {status.attempt} from step {status.started.from_step:,}"))
    return joined(parts, width)


def stage_lines(observed: Observed, now: float, width: int, *, ascii_only: bool) -> list[Line]:
    """What it does now and how far that is; once it has ended, the sentence that explains it."""
    status = observed.status
    if observed.state == "elsewhere" and status.started is not None:
        said = f"It ran on {status.started.host}; its last word came {ago(status.last_time, now)}."
        return wrapped(said, width)[:_MOST_SAID]
    if observed.state in LIVE:
        return [stage_line(observed, now, width, ascii_only=ascii_only)]
    said_lines = wrapped(observed.message, width)
    if len(said_lines) <= _MOST_SAID:
        return said_lines
    rest = " ".join(text for drawn in said_lines[_MOST_SAID - 1 :] for text, _ in drawn)
    return [*said_lines[: _MOST_SAID - 1], line(clip(rest, width))]


def stage_line(observed: Observed, now: float, width: int, *, ascii_only: bool) -> Line:
    """The stage of a live run or job, with a bar, amounts, rate and time left where known."""
    status = observed.status
    progress = status.progress
    if status.stage == "train" and not evaluating(status) and status.plan is not None:
        total = status.plan.max_steps
        step_s = pace(status).step_s
        said = [f"{seconds(step_s)} a step"] if math.isfinite(step_s) else []
        share = status.step / total if total else 0.0
        return _progress_line("train", share, said, width, ascii_only, is_long=True)
    if progress is not None and progress.total > 0:
        share = progress.done / progress.total
        said = [_floored(share), *_amounts(progress)]
        return _progress_line(progress.stage, share, said, width, ascii_only)
    if not status.stage:
        return line(("start", "strong"), clip("  waiting for the worker's first word", width - 5))
    since_s = now - status.last_time
    for_s = f"for {clock(since_s)}" if since_s >= 2 else ""
    detail = status.stage_detail or _DETAILS.get(status.stage, "")
    return joined([line((status.stage, "strong")), line(detail), line(for_s)], width)


def path_lines(observed: Observed) -> list[Line]:
    """What is done and what is to come, for the time before the first step."""
    status = observed.status
    if observed.state not in LIVE:
        return [line(("No step was made.", "dim"))]
    names = [s for s in STAGES if s != "download" or status.stage == s]
    at = names.index(status.stage) if status.stage in names else -1
    drawn: list[Line] = []
    for number, name in enumerate(names):
        is_now = number == at
        word, role = ("now", "info") if is_now else ("to come", "dim")
        word, role = ("done", "ok") if number < at else (word, role)
        drawn.append(line((f"  {name:<10}", "strong" if is_now else "dim"), (word, role)))
    return drawn


def seconds(value: float) -> str:
    """A duration of one step: `80 ms`, `2.1 s`, `40 s`, `3 min`."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 10:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"


def _progress_line(
    name: str, share: float, said: list[str], width: int, ascii_only: bool, *, is_long: bool = False
) -> Line:
    """Name, bar and words; the bar is as long as there is room where `is_long`."""
    words = joined([line(text) for text in said], width - len(name) - 12)
    room = width - width_of(words) - len(name) - 4
    drawn = share_bar(share, max(room if is_long else min(room, _BAR_WIDTH), 8), ascii_only)
    return (*line((name, "strong"), "  "), (drawn, "info"), ("  ", ""), *words)


def _floored(share: float) -> str:
    """Never 100 % before the end."""
    return f"{math.floor(min(max(share, 0.0), 1.0) * 100)}%"


def _amounts(progress: Progress) -> list[str]:
    if progress.unit == "bytes":
        parts = [f"{size(progress.done)} of {size(progress.total)}"]
        parts += [f"{size(progress.rate)}/s"] if progress.rate > 0 else []
    else:
        parts = [f"{progress.done:,.0f} of {progress.total:,.0f} {progress.unit}"]
        rate = f"{progress.rate:,.0f}" if progress.rate >= 10 else f"{progress.rate:.2g}"
        parts += [f"{rate}/s"] if progress.rate > 0 else []
    return parts + ([f"left {clock(rounded(progress.eta_s))}"] if progress.eta_s >= 1 else [])
