"""The fold: what the log means, whatever is in it and wherever it was cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.runs.events import Body, Checkpointed, Event, Exited, Failed, Finished, Pruned, Stopped
from engine.runs.series import Series
from engine.runs.status import Status, fold, fold_all
from tests.runs.script import Script, evaluated, started, step
from tests.runs.test_events import bodies


def _checkpoint(number: int) -> Checkpointed:
    path = f"checkpoints/checkpoint-{number}"
    return Checkpointed(step=number, path=path, num_bytes=1, reason="steps")


def test_a_resume_drops_what_lies_behind_the_step_it_continues_from() -> None:
    script = Script().add(started(), *[step(n) for n in range(1, 8)], _checkpoint(5))
    script.add(evaluated(5, 0.9), evaluated(7, 0.5), _checkpoint(7))
    script.add(started(attempt=2, from_step=5), step(6, loss=0.25))
    status = fold_all(script.events)
    assert [point.step for point in status.steps] == [1, 2, 3, 4, 5, 6]
    assert status.steps[-1].loss == 0.25
    assert [c.step for c in status.checkpoints] == [5]
    assert status.best is not None and status.best.loss == 0.9
    assert status.attempt == 2 and status.ending == ""


def test_the_last_step_may_be_known_from_any_record_of_it() -> None:
    script = Script().add(started(), step(10))
    assert fold_all(script.events).step == 10
    script.add(evaluated(14, 0.9))
    assert fold_all(script.events).step == 14
    script.add(_checkpoint(15))
    assert fold_all(script.events).step == 15
    script.add(started(attempt=2, from_step=12))
    assert fold_all(script.events).step == 12


def test_changes_of_attempts_add_up() -> None:
    script = Script().add(started(), started(attempt=2, changes={"train.micro_batch": "8"}))
    script.add(started(attempt=3, changes={"train.micro_batch": "4", "train.epochs": "2"}))
    changes = dict(fold_all(script.events).changes)
    assert changes == {"train.micro_batch": "4", "train.epochs": "2"}


def test_a_pruned_checkpoint_is_gone() -> None:
    script = Script().add(started(), _checkpoint(1), _checkpoint(2))
    script.add(Pruned(step=1, path="checkpoints/checkpoint-1"))
    assert [c.step for c in fold_all(script.events).checkpoints] == [2]


def test_the_workers_last_word_outranks_the_supervisor() -> None:
    finished = Finished(step=3, result="adapter", message="done")
    exited = Exited(exit_code=-9, signal="SIGKILL", oom_kills=0, message="killed")
    assert fold_all(Script().add(started(), finished, exited).events).ending == "finished"
    assert fold_all(Script().add(started(), exited).events).ending == "exited"


def test_a_new_attempt_takes_back_an_ending() -> None:
    for body in (
        Finished(step=1, result="adapter"),
        Stopped(step=1, reason="asked"),
        Failed(error="oom", phase="forward", message="m", hint="h"),
    ):
        status = fold_all(Script().add(started(), body, started(attempt=2)).events)
        assert status.ending == "" and status.failed is None and status.finished is None


@given(st.lists(bodies(), max_size=30), st.integers(0, 30))
def test_folding_in_two_parts_is_folding_at_once(bodies_: list[Body], cut: int) -> None:
    events = Script().add(*bodies_).events
    whole = fold_all(events)
    parts = fold_all(events[cut:], fold_all(events[:cut]))
    # NaN fields make values unequal to themselves; their text is compared.
    assert repr(whole) == repr(parts)


@given(st.lists(bodies(), min_size=1, max_size=20))
def test_an_older_status_keeps_what_it_showed(bodies_: list[Body]) -> None:
    events: list[Event] = Script().add(*bodies_).events
    status, seen = Status(), []
    for event in events:
        status = fold(status, event)
        seen.append((status, repr(status)))
    for earlier, text in seen:
        assert repr(earlier) == text


@given(st.lists(st.integers()), st.integers(0, 20), st.integers())
def test_series_share_without_showing_each_other(items: list[int], cut: int, new: int) -> None:
    first: Series[int] = Series()
    for item in items:
        first = first.append(item)
    branch = first.cut(cut).append(new)
    other = first.append(7)
    assert list(first) == items
    assert list(branch) == [*items[:cut], new]
    assert list(other) == [*items, 7]
