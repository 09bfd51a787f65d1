"""The method step's sliders, fixes on keys, undo, and the simulation that follows behind."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fields import all_fields, describe, parse, written
from tests.tui.method_step import (
    RAM,
    SEVEN_B,
    TOO_MUCH,
    Keys,
    at,
    chosen,
    draft_of,
    large_draft,
    memory,
    opened,
    row,
    settings,
)
from tests.tui.pilots import drive, screen_text, until
from tests.tui.scripted_simulation import ScriptedWorker
from tui.app import TailfinApp
from tui.draft import Draft
from tui.draw.bars import FULL, LIMIT, OTHERS, OVER, limit_bar
from tui.widgets.ladder import stepped
from tui.widgets.next_bar import NextBar
from tui.widgets.rows import Rows
from tui.widgets.value_input import ValueInput


def simulated_draft(choices: dict[str, object] | None = None) -> Draft:
    return replace(large_draft("A100-80GB", choices), config=SEVEN_B)


@pytest.mark.parametrize(
    ("path", "before", "right", "left"),
    [
        ("train.micro_batch", 2, 4, 1),
        ("train.rank", 16, 32, 8),
        ("train.rank", 20, 32, 16),
        ("data.max_length", 4096, 6144, 3072),
        ("train.learning_rate", 2e-4, 5e-4, 1e-4),
        ("train.dropout", 0.0, 0.05, 0.0),
        ("train.trainable_layers", 2, 3, 1),
    ],
)
def test_left_and_right_step_through_values(
    path: str, before: object, right: object, left: object
) -> None:
    assert (stepped(path, before, 1), stepped(path, before, -1)) == (right, left)


_NUMBERS = [field.path for field in all_fields() if field.takes_digits]


@given(st.sampled_from(_NUMBERS), st.sampled_from([1, -1]))
def test_steps_are_allowed_and_end(path: str, by: int) -> None:
    value = parse(path, describe(path).default)
    for _ in range(2000):
        after = stepped(path, value, by)
        assert parse(path, written(after)) == after
        assert type(after) is type(value)
        if after == value:
            return
        assert isinstance(after, (int, float)) and isinstance(value, (int, float))
        assert (after > value) == (by > 0)
        value = after
    raise AssertionError("it never ends")


def test_a_slider_changes_the_memory_at_once_and_u_takes_it_back() -> None:
    app = opened(draft_of())

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.rank")
        before, was = memory(app), row(app, "train.rank")
        await pilot.press("right", "right", "right")
        assert chosen(app, "train.rank") == 128
        await until(app, pilot, lambda: memory(app) != before)
        await pilot.press("u")
        assert chosen(app, "train.rank") == 64
        await pilot.press("u", "u", "u")
        assert row(app, "train.rank") == was
        assert "train.rank" not in app.draft.choices

    drive(act, app=app)


def test_a_digit_applies_its_fix_and_u_takes_all_of_it_back() -> None:
    app = opened(large_draft("RTX 4090", TOO_MUCH))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "profile")
        before = dict(app.draft.choices)
        fixes = app.pane.query_one("#fixes", Rows)
        assert ["".join(t for t, _ in one.drawn)[0] for one in fixes.rows] == ["1", "2", "3"]
        app.screen.query_one(NextBar).focus()
        await pilot.press("2")
        await until(app, pilot, lambda: "FAIL" not in memory(app))
        assert dict(app.draft.choices) != before
        await pilot.press("u")
        assert dict(app.draft.choices) == before
        await until(app, pilot, lambda: "FAIL" in memory(app))

    drive(act, app=app)


def test_on_a_number_digits_are_typed_and_letters_apply_the_fixes() -> None:
    app = opened(large_draft("RTX 4090", TOO_MUCH))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.rank")
        fixes = app.pane.query_one("#fixes", Rows)
        await until(app, pilot, lambda: "".join(t for t, _ in fixes.rows[1].drawn)[0] == "g")
        await pilot.press("8")
        await until(app, pilot, lambda: isinstance(app.focused, ValueInput))
        await pilot.press("enter")
        assert chosen(app, "train.rank") == 8
        await until(app, pilot, lambda: app.focused is settings(app))
        await pilot.press("g")
        await until(app, pilot, lambda: "FAIL" not in memory(app))

    drive(act, app=app)


def test_the_simulation_follows_and_blocks_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer = threading.Event()
    workers: list[ScriptedWorker] = []

    def start() -> ScriptedWorker:
        workers.append(ScriptedWorker(may_answer.wait))
        return workers[-1]

    monkeypatch.setattr("engine.memory.simulator.start_worker", start)
    app = opened(simulated_draft())

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.micro_batch")
        await until(app, pilot, "simulating ...")
        assert "Estimate: tensors" in memory(app)
        estimated = memory(app)
        await pilot.press("right")
        await until(app, pilot, lambda: memory(app) != estimated)
        await pilot.press("right")
        may_answer.set()
        await until(app, pilot, lambda: "Simulated: tensors" in memory(app))
        wanted = app.draft.resolve().spec.train.micro_batch
        assert workers[0].requests[-1]["spec"]["train"]["micro_batch"] == wanted
        assert len(workers) == 1 and len(workers[0].requests) < 4
        await pilot.press("ctrl+n")
        await until(app, pilot, "Simulated.")
        assert app.wizard.step == "review"

    drive(act, app=app, size=(120, 40))


def test_leaving_the_wizard_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    class Worker(ScriptedWorker):
        def close(self) -> None:
            ended.set()

    monkeypatch.setattr("engine.memory.simulator.start_worker", Worker)
    app = opened(simulated_draft())

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "Simulated: tensors")
        assert not ended.is_set()
        await pilot.press("escape")
        await until(app, pilot, lambda: app.wizard.step == "data")
        assert not ended.is_set()

    drive(act, app=app)
    assert ended.wait(20)


def test_what_decides_is_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.memory.simulator.start_worker", lambda: ScriptedWorker(more=20.0))
    app = opened(simulated_draft())

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "Simulated: tensors")
        assert "FAIL  Needs" in screen_text(app)

    drive(act, app=app)


def test_an_absent_stack_is_said_with_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ("There is no training stack here: torch is not installed.", "Run: tailfin setup")
    monkeypatch.setattr(
        "engine.memory.simulator.start_worker", lambda: ScriptedWorker(problem=said)
    )
    app = opened(simulated_draft())

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "torch is not installed. Run: tailfin setup")
        assert "OK    Needs" in screen_text(app)

    drive(act, app=app)


def test_a_box_without_a_model_starts_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> ScriptedWorker:
        raise AssertionError("nothing to simulate")

    monkeypatch.setattr("engine.memory.simulator.start_worker", refuse)
    app = opened(Draft(card=RAM))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "are being looked at")
        await pilot.pause()

    drive(act, app=app)


_AMOUNTS = st.floats(min_value=0, max_value=1e12, allow_nan=False)


@given(st.lists(_AMOUNTS, max_size=9), _AMOUNTS, _AMOUNTS, st.integers(3, 200), st.booleans())
def test_the_line_stands_where_the_free_memory_ends(
    amounts: list[float], limit: float, total: float, width: int, ascii_only: bool
) -> None:
    drawn = limit_bar([("part-1", n) for n in amounts], limit, total, width, ascii_only)
    text = "".join(run for run, _ in drawn)
    assert len(text) == width
    used, whole = sum(amounts), max(total, sum(amounts), limit)
    if whole <= 0:
        return
    assert text.count(LIMIT) == 1
    left, right = text.split(LIMIT)
    assert (OVER in right) == (used > limit * (1 + 1e-9)) or used == pytest.approx(limit)
    assert OVER not in left and OTHERS not in left
    assert abs(len(left) - limit / whole * (width - 1)) <= 1.51


def test_glyphs_are_those_of_the_parts() -> None:
    drawn = limit_bar([("a", 1.0), ("b", 1.0)], 2.0, 2.0, 9, glyphs=["x", "y"])
    assert drawn == [("xxxx", "a"), ("yyyy", "b"), (LIMIT, "strong")]
    assert limit_bar([("a", 1.0)], 1.0, 2.0, 9)[0][0] == FULL * 4
