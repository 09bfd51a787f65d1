"""The chart of a run: ranges that stand still while points come, its legend, and what it lacks."""

from __future__ import annotations

import math

from tui.draw.history import Curves
from tui.draw.line import Line, Run, line
from tui.draw.plot import Curve, plot

_ANCHOR = "anchor"
# Spans beyond these are drawn as they are: their powers of ten would be no floats.
_SMALLEST, _LARGEST = 1e-300, 1e300
# Steps of the y axis that its range is rounded to: fewer waste room, more repaint it often.
_MOST_PARTS = 8
# Parts of a run's length at which the x axis ends before it shows the whole.
_PARTS = (1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1)


def chart_lines(
    curves: Curves, width: int, height: int, *, log_y: bool, ascii_only: bool, is_live: bool
) -> list[Line]:
    """A line of legend and the chart below it, `height` lines in all."""
    if height < 2:
        return [legend(curves, log_y=log_y, ascii_only=ascii_only)][:height]
    drawn = [
        # Dots under a line: where there is no colour the two can still be told apart.
        Curve(*curves.raw, "dots", "curve-1")
        if curves.smoothed[0]
        else Curve(*curves.raw, "line", "curve-2"),
        Curve(*curves.smoothed, "line", "curve-2"),
        Curve(*curves.held_out, "points", "curve-3"),
    ]
    rows = plot(
        [*_anchors(curves, log_y=log_y, is_live=is_live), *(c for c in drawn if len(c.xs))],
        width,
        height - 1,
        log_y=log_y,
        ascii_only=ascii_only,
        marks=curves.marks,
    )
    chart = [tuple(_hidden(run) for run in row) for row in rows[:-1]]
    # What the axis has in a curve's role marks a value that was NaN or infinite.
    axis = tuple((text, "fail" if role else "") for text, role in rows[-1])
    return [legend(curves, log_y=log_y, ascii_only=ascii_only), *chart, axis]


def legend(curves: Curves, *, log_y: bool, ascii_only: bool) -> Line:
    """What is drawn and how."""
    runs: list[str | Run] = [(curves.metric, "title")]
    if curves.smoothed[0]:
        raw, smoothed = (". ", "* ") if ascii_only else ("⠢ ", "⠒ ")
        runs += ["  ", (f"{raw}raw", "curve-1"), "  ", (f"{smoothed}smoothed", "curve-2")]
    if curves.held_out[0]:
        runs += ["  ", ("o held out", "curve-3")]
    if log_y:
        has_log = not curves.low <= 0
        runs += ["  ", ("log scale" if has_log else "no log scale: values reach 0", "dim")]
    return line(*runs)


def x_end(last: float, max_steps: int, *, is_live: bool) -> float:
    """Where the x axis ends: a little ahead, so that a new step moves no other one."""
    if not is_live:
        return last
    if max_steps >= last and max_steps > 0:
        ends = (math.ceil(max_steps * part) for part in _PARTS)
        return next((end for end in ends if end >= max(last, 8)), max_steps)
    power = 10.0 ** math.floor(math.log10(max(last, 10)))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= last)


def y_range(low: float, high: float, *, is_log: bool) -> tuple[float, float]:
    """The range of the y axis: rounded outwards, so that few new values change it."""
    if is_log:
        return _log_round(low, up=False), _log_round(high, up=True)
    span = high - low
    if not _SMALLEST < span < _LARGEST:
        return low, high
    power = 10.0 ** math.floor(math.log10(span))
    step = next(power * part for part in (0.2, 0.5, 1, 2) if span <= _MOST_PARTS * power * part)
    return math.floor(low / step) * step, math.ceil(high / step) * step


def _anchors(curves: Curves, *, log_y: bool, is_live: bool) -> list[Curve]:
    """Two corners that hold the ranges still; they are not drawn."""
    if not math.isfinite(curves.low) or not math.isfinite(curves.high):
        return []
    steps = [x for xs in (curves.raw[0], curves.held_out[0]) for x in (*xs[:1], *xs[-1:])]
    low, high = y_range(curves.low, curves.high, is_log=log_y and curves.low > 0)
    end = x_end(max(steps), curves.max_steps, is_live=is_live)
    return [Curve([min(steps), end], [low, high], "points", _ANCHOR)]


def _hidden(run: Run) -> Run:
    return (" " * len(run[0]), "") if run[1] == _ANCHOR else run


def _log_round(value: float, *, up: bool) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    steps = [power * factor for factor in (1, 2, 5, 10)]
    if up:
        return next((step for step in steps if step >= value), value)
    return next((step for step in reversed(steps) if step <= value), value)
