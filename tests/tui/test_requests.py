"""Requests to a run: said when made, followed by id, answered in the run's own words."""

from __future__ import annotations

from engine.errors import TailfinError
from engine.runs.events import Acted
from engine.runs.status import Status, fold_all
from tests.runs.script import started
from tests.tui.scenes import PLAN, begun, make_step
from tui.requests import Requests


def _status(*acts: Acted) -> Status:
    return fold_all(begun(make_step(1), *acts).events)


def _message(requests: Requests, now: float) -> str:
    said = requests.alert(now)
    return said.message if said else ""


def _is_stopping(requests: Requests) -> bool:
    return requests.is_stopping


def test_a_request_is_followed_to_its_answer() -> None:
    requests = Requests()
    requests.hear(_status(), 0.0, is_live=True)
    assert _message(requests, 0.0) == ""
    requests.asking("save", 1.0)
    requests.asked("save", "id-1")
    assert "asked for" in _message(requests, 500.0)  # as long as there is no answer
    requests.hear(_status(Acted("id-1", "save", True, "Saved x.")), 501.0, is_live=True)
    assert _message(requests, 501.0) == "save: Saved x."
    assert _message(requests, 520.0) == ""


def test_a_refusal_is_a_warning() -> None:
    requests = Requests()
    requests.hear(_status(), 0.0, is_live=True)
    requests.hear(_status(Acted("a", "save", False, "Nothing to save.")), 1.0, is_live=True)
    said = requests.alert(1.0)
    assert said is not None and said.severity == "warn"
    requests.refused(TailfinError("The disk is full.", "Free some."), 2.0)
    failed = requests.alert(2.0)
    assert failed is not None and (failed.severity, failed.fix) == ("fail", "Free some.")


def test_an_answer_may_come_before_its_id() -> None:
    requests = Requests()
    requests.hear(_status(), 0.0, is_live=True)
    requests.asking("save", 1.0)
    requests.hear(_status(Acted("id-1", "save", True, "Saved x.")), 2.0, is_live=True)
    requests.asked("save", "id-1")
    assert _message(requests, 2.0) == "save: Saved x." and _message(requests, 30.0) == ""


def test_what_was_answered_before_one_came_is_old_news() -> None:
    requests = Requests()
    requests.hear(_status(Acted("a", "stop", True, "It stops.")), 0.0, is_live=True)
    assert _message(requests, 0.0) == "" and not requests.is_stopping


def test_a_stop_counts_for_the_attempt_that_took_it() -> None:
    requests = Requests()
    script = begun(make_step(1))
    requests.hear(fold_all(script.events), 0.0, is_live=True)
    script.add(Acted("a", "stop", True, "It saves at step 2 and stops."))
    requests.hear(fold_all(script.events), 1.0, is_live=True)
    assert _is_stopping(requests)
    requests.hear(fold_all(script.events), 2.0, is_live=False)
    assert _message(requests, 2.0) == ""
    script.add(started(attempt=2, from_step=1), PLAN)
    requests.hear(fold_all(script.events), 3.0, is_live=True)
    assert not _is_stopping(requests)
    assert _message(requests, 3.0) == "The run was resumed: attempt 2 goes on from step 1."


def test_an_end_takes_back_what_waits() -> None:
    requests = Requests()
    requests.hear(_status(), 0.0, is_live=True)
    requests.asking("save", 1.0)
    requests.asked("save", "id-1")
    requests.hear(_status(), 2.0, is_live=False)
    assert _message(requests, 2.0) == ""
