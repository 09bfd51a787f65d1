"""Whatever numbers a log holds, it is drawn: nothing in a folder ends the screens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.runs.events import Body, Event, Plan, Progress, Stage, Started, Step, decode, encode
from engine.runs.state import Observed, State
from engine.runs.status import Status, fold_all
from engine.runs.store import RunFolder
from tests.runs.test_events import bodies
from tui.draw.event_line import event_line
from tui.draw.history import METRICS, History
from tui.draw.home_lines import detail_lines, run_line
from tui.draw.job_lines import job_lines
from tui.draw.pace import rounded
from tui.draw.run_alerts import alert_lines, notice_paragraphs, run_alerts
from tui.draw.run_chart import chart_lines
from tui.draw.run_head import path_lines, stage_lines, status_line
from tui.draw.run_numbers import held_out_lines, plan_facts, run_facts
from tui.draw.words import about, ago, clock, loss, moment, size
from tui.job_watch import JobView
from tui.runs_view import RunView

_NOW = 1.8e9
_STATES: tuple[State, ...] = get_args(State)
_ANY = st.floats(allow_nan=True, allow_infinity=True)
_COUNTS = st.sampled_from([0, 1, 2, 50, 2**53, -(2**53)])
_STAGES = st.builds(Stage, st.sampled_from(["load", "train", "eval", "generate"]))
_STEPS = st.builds(Step, _COUNTS, _ANY, _ANY, _ANY, _ANY, _COUNTS, _ANY, _ANY, _ANY, _ANY, _ANY)
_STARTS = st.builds(
    Started, st.just(1), st.just("train"), st.just("b"), st.just("b"), _COUNTS, _COUNTS
)
_PLANS = st.builds(
    Plan, _COUNTS, _COUNTS, _COUNTS, _COUNTS, _ANY, _ANY, _COUNTS, _COUNTS, _COUNTS, _COUNTS
)
_PROGRESS = st.builds(
    Progress,
    st.sampled_from(["load", "eval", "generate"]),
    _ANY,
    _ANY,
    st.sampled_from(["bytes", "rows"]),
    _ANY,
    _ANY,
)
_LOGS = st.lists(
    st.tuples(st.one_of(_STARTS, _STAGES, _PLANS, _STEPS, _STEPS, _PROGRESS, bodies()), _ANY),
    max_size=12,
)


@example([(Stage("load"), 1.0), (Stage("load"), 1e18)], "crashed", 78, False)
@example([(Stage("load"), 1.0), (Progress("load", math.nan, 2, "rows"), 2.0)], "running", 78, False)
@example(
    [(Stage("load"), 1.0), (Progress("load", 1, 2, "b", 1, math.inf), 2.0)], "running", 78, True
)
@given(_LOGS, st.sampled_from(_STATES), st.sampled_from([24, 78, 140]), st.booleans())
def test_a_log_of_any_numbers_is_drawn(
    log: Sequence[tuple[Body, float]], state: State, width: int, ascii_only: bool
) -> None:
    lines = [_line(number, body, time) for number, (body, time) in enumerate(log)]
    events = [event for event in map(decode, lines) if event is not None]
    _draw_everything(fold_all(events), state, width, ascii_only)
    for event in events:
        event_line(event.body)


def _line(number: int, body: Body, time: float) -> bytes:
    """A record that holds the time as it is, which the writer itself would never take."""
    line = encode(Event(number, 0.0, body))
    shown = f'"{time}"' if not math.isfinite(time) else repr(time)
    return line.replace(b'"time":0.0', b'"time":' + shown.encode(), 1)


def _draw_everything(status: Status, state: State, width: int, ascii_only: bool) -> None:
    observed = Observed(state, "", status, 0)
    losses = tuple(one.loss for one in status.steps)
    view = RunView(RunFolder(Path("/r/a")), observed, "/m", "/d", "lora", losses)
    run_line(view, width, _NOW, ascii_only=ascii_only)
    detail_lines(view, width, _NOW, ascii_only=ascii_only)
    history = History()
    history.update(status)
    trend = history.trend()
    status_line(observed, _NOW, width)
    stage_lines(observed, _NOW, width, ascii_only=ascii_only)
    path_lines(observed)
    facts = [*run_facts(status, trend), *run_facts(status, trend, is_short=True)]
    for fact in [*facts, *plan_facts(status.plan)]:
        fact.drawn(width, 9)
    held_out_lines(status, 8)
    alerts = run_alerts(observed, trend, _NOW)
    alert_lines(alerts, width, 3, "n")
    notice_paragraphs(alerts, status.notices)
    job = JobView(RunFolder(Path("/r/j")), "export", observed, ())
    job_lines(job, _NOW, width, ascii_only=ascii_only)
    for metric in METRICS:
        curves = history.curves(metric)
        for log_y in (False, True):
            chart_lines(curves, width, 9, log_y=log_y, ascii_only=ascii_only, is_live=True)


@given(_ANY, _ANY)
@example(-math.inf, math.inf)
@example(-1e300, -1e300)
def test_words_take_every_number(value: float, other: float) -> None:
    said = [clock(value), clock(rounded(value)), about(value), moment(value), size(value)]
    assert all(0 < len(text) <= 32 for text in [*said, ago(value, other), loss(value)])


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300])
def test_what_is_no_time_is_a_dash(value: float) -> None:
    assert {clock(value), about(value), moment(value), ago(0.0, value), size(value)} == {"-"}
