"""A job beside the training in a few lines: how far it is, or how it ended and what to do."""

from __future__ import annotations

from tui.draw.line import Line, beside, clip, line, width_of, wrapped
from tui.draw.run_head import stage_line
from tui.draw.words import clock
from tui.job_watch import JobView

_KEYS = line(("x", "key"), " ends it")


def job_lines(
    view: JobView, now: float, width: int, *, ascii_only: bool, is_stopping: bool = False
) -> list[Line]:
    """Two lines while it works; afterwards what a person has to know, nothing once all is well."""
    observed = view.observed
    if view.is_live:
        return _at_work(view, now, width, ascii_only, is_stopping)
    if observed.state == "finished":
        return []
    if observed.state == "stopped":
        return [line((f"The {view.called} was ended.", "warn"))]
    lines = wrapped(f"FAIL  The {view.called} failed: {observed.message}", width, "fail")[:3]
    failed = observed.status.failed
    if failed is not None and failed.hint:
        lines += wrapped(f"Do: {failed.hint}", width)[:3]
    if failed is None or failed.error == "crash":
        lines += [line((clip(f"| {said}", width), "dim")) for said in view.log[-3:]]
    return [*lines, line(("l", "key"), " its whole log")]


def _at_work(
    view: JobView, now: float, width: int, ascii_only: bool, is_stopping: bool
) -> list[Line]:
    status = view.observed.status
    since = f"  {clock(now - status.first_time)}" if status.first_time else ""
    word = "STOPPING" if is_stopping else "AT WORK"
    head = line((word, "warn" if is_stopping else "accent"), f"  {view.called}{since}")
    if status.stage_detail and status.progress is not None:
        head = (*head, *line((f"  {status.stage_detail}", "dim")))
    tail = () if is_stopping else (*line(("goes on if you leave  ", "dim")), *_KEYS)
    if width_of(head) + width_of(tail) + 2 > width:
        tail = () if is_stopping else _KEYS
    return [
        beside(head, tail, width),
        stage_line(view.observed, now, width, ascii_only=ascii_only),
    ]
