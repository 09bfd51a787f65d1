"""Alerts: what is odd is said once, the gravest first, and never hidden."""

from __future__ import annotations

import math
from dataclasses import replace

from engine.runs.events import Notice
from engine.runs.state import Observed, State
from tests.tui.scenes import begun, last_time, make_step, observed, scene
from tui.draw.history import History
from tui.draw.line import width_of
from tui.draw.run_alerts import Alert, alert_lines, notice_paragraphs, run_alerts


def _alerts(seen: Observed, after_s: float = 0.0) -> list[Alert]:
    history = History()
    history.update(seen.status)
    return run_alerts(seen, history.trend(), last_time(seen) + after_s)


def _shown(name: str) -> Observed:
    seen = scene(name).shown
    assert isinstance(seen, Observed)
    return seen


def test_a_healthy_run_raises_none() -> None:
    for name in ("running", "loading", "evaluating", "finished", "resumed"):
        assert _alerts(_shown(name)) == []


def test_silence_is_a_warning_with_the_usual_pace() -> None:
    [alert] = _alerts(_shown("running"), after_s=47)
    assert alert.severity == "warn"
    assert alert.message == "No step for 40 s (usually 2.0 s)."
    assert "5 min" in _alerts(_shown("running"), after_s=305)[0].message
    assert _alerts(_shown("first"), after_s=200) == []
    [early] = _alerts(_shown("first"), after_s=600)
    assert early.message == "No step for 10 min (its pace is not known yet)."


def test_silence_of_a_run_that_has_ended_is_none() -> None:
    states: tuple[State, ...] = ("finished", "failed", "crashed", "elsewhere")
    for state in states:
        assert _alerts(replace(_shown("running"), state=state), after_s=900) == []


def test_a_broken_loss_is_a_failure_even_where_the_worker_said_nothing() -> None:
    steps = [make_step(n, loss=math.nan if n in (5, 7) else 1.0) for n in range(1, 10)]
    [alert] = _alerts(observed(begun(*steps), "running"))
    assert alert.severity == "fail"
    assert alert.message == "The loss was no number at 2 steps, first at step 5."
    [last] = _alerts(observed(begun(make_step(1), make_step(2, loss=math.inf)), "running"))
    assert last.message.endswith("at 1 step, first at step 2, now infinite.")


def test_a_broken_loss_that_the_worker_named_is_not_said_twice() -> None:
    [alert] = _alerts(_shown("nan"))
    assert alert.message.startswith("Loss is nan")


def test_failures_come_before_warnings_and_new_before_old() -> None:
    notices = [
        Notice("a", "warn", "first"),
        Notice("b", "fail", "second"),
        Notice("c", "info", "third"),
        Notice("d", "warn", "fourth"),
    ]
    seen = observed(begun(*notices, make_step(1)), "running")
    assert [alert.message for alert in _alerts(seen)] == ["second", "fourth", "first"]
    read = notice_paragraphs(_alerts(seen), seen.status.notices)
    assert read == ["FAIL  second", "WARN  fourth", "WARN  first", "INFO  third"]


def test_the_line_fits_and_says_where_the_rest_is() -> None:
    long = Alert("warn", "A sentence that is long. " * 10, "And what to do.")
    short = Alert("fail", "Short.")
    for width in (30, 58, 78, 198):
        for found in ([long], [short], [short, long], [long, long, long, long]):
            lines = alert_lines(found, width, 3, "n")
            assert len(lines) == min(len(found), 3)
            assert all(width_of(drawn) <= width for drawn in lines)
    text = "".join(t for t, _ in alert_lines([short, long], 78, 1, "n")[0])
    assert text == "FAIL  Short.  n: all 2"
    assert "n: read it" in "".join(t for t, _ in alert_lines([long], 78, 1, "n")[0])
    assert "n:" not in "".join(t for t, _ in alert_lines([short], 78, 1, "n")[0])
    assert alert_lines([], 78, 3, "n") == []


def test_nothing_in_a_notice_reaches_the_terminal_as_an_escape() -> None:
    evil = Alert("warn", "\x1b[31mred\x1b[0m [bold]not bold[/bold]")
    [drawn] = alert_lines([evil], 78, 1, "n")
    text = "".join(t for t, _ in drawn)
    assert "\x1b" not in text and "[bold]not bold[/bold]" in text
