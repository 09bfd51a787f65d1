"""Suggestions, ways out of too much memory, and when they are sought."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import pytest

from engine.data.inspect import Inspector
from engine.memory.budget import Budget
from tests.tui.method_step import (
    RAM,
    SAMPLES,
    TOO_MUCH,
    Keys,
    at,
    chosen,
    draft_of,
    inspected,
    large_draft,
    memory,
    opened,
    row,
)
from tests.tui.pilots import drive, screen_text, until
from tui.app import TailfinApp
from tui.draft import demo_draft
from tui.panes.advice import Advice, Question
from tui.widgets.next_bar import NextBar
from tui.widgets.rows import Rows


def test_what_suits_the_card_is_suggested_with_its_reason() -> None:
    app = opened(large_draft("RTX 3060 12GB"))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "profile")
        assert row(app, "profile") == "profile qlora suggested"
        assert "16-bit weights need" in screen_text(app)
        assert app.draft.suggestions
        # who chooses wins, and the rest is suggested anew
        await at(app, pilot, "train.micro_batch")
        await pilot.press("3", "enter")
        assert row(app, "train.micro_batch") == "micro-batch 3 you"
        assert all(one.path != "train.micro_batch" for one in app.draft.suggestions)

    drive(act, app=app)


def test_a_profile_that_was_chosen_is_kept_whole() -> None:
    # So few rows that another batch would be suggested.
    draft = replace(demo_draft(), card=RAM).choose(
        "data.path", str(SAMPLES / "formats/alpaca.json")
    )
    app = opened(replace(draft, inspection=inspected(draft)))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "profile")
        spec = app.draft.resolve().spec
        assert (spec.train.epochs, spec.train.learning_rate) == (5.0, 0.005)
        assert spec.train.micro_batch * spec.train.accumulation == 16

    drive(act, app=app)


def test_what_does_not_fit_is_said_and_the_first_fix_applied_with_a_key() -> None:
    app = opened(large_draft("RTX 4090", TOO_MUCH))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "profile")
        assert "FAIL" in memory(app)
        assert "does not fit" in memory(app)
        assert "!" in memory(app)
        # it warns here; the review asks before it starts
        assert app.pane.stop == ""
        fixes = app.pane.query_one("#fixes", Rows)
        first = "".join(text for text, _ in fixes.rows[0].drawn)
        assert "fits" in first
        await pilot.press("f")
        await until(app, pilot, lambda: "OK " in memory(app) or "WARN" in memory(app))
        assert app.draft.choices["train.micro_batch"] != 8

    drive(act, app=app)


def test_another_fix_is_chosen_from_the_list() -> None:
    app = opened(large_draft("RTX 4090", TOO_MUCH))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "profile")
        await pilot.press("tab")
        fixes = app.pane.query_one("#fixes", Rows)
        assert app.focused is fixes
        says = "".join(text for text, _ in fixes.rows[1].drawn)
        await pilot.press("down", "enter")
        rows = re.search(r"micro-batch (\d+)", says)
        assert rows is not None
        assert chosen(app, "train.micro_batch") == int(rows[1])
        assert not fixes.display
        await until(app, pilot, lambda: isinstance(app.focused, NextBar))

    drive(act, app=app)


def test_a_count_that_comes_late_is_waited_for() -> None:
    draft = draft_of()
    counting = Inspector()
    counting.start(draft.text("data.path"), model=draft.text("model.path"))
    app = opened(replace(draft, inspection=inspected(draft), counting=counting))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "Tokens are not counted yet: 512 per row are assumed.")
        await until(
            app, pilot, lambda: row(app, "data.max_length") == "maximum length 128 suggested", 60
        )
        assert "Tokens are not counted yet" not in screen_text(app)

    drive(act, app=app)
    assert app.draft.inspection is not None
    assert app.draft.inspection.tokens is not None


def test_the_estimate_is_quick_enough_for_every_key() -> None:
    import time

    from tui.panes.prediction import memory_of

    draft = large_draft("RTX 4090")
    spec = draft.resolve().spec
    assert isinstance(memory_of(draft, spec), Budget)
    spent = []
    for _ in range(20):
        began = time.process_time()
        memory_of(draft, spec)
        spent.append(time.process_time() - began)
    assert min(spent) < 0.02


def test_many_keys_wait_for_no_advice_and_the_newest_gets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []
    may_answer = threading.Event()
    answer = Question.answer

    def slow(question: Question) -> Advice:
        asked.append(question.draft.choices.get("train.rank"))
        assert threading.current_thread() is threading.main_thread() or may_answer.wait(20)
        return answer(question)

    app = opened(large_draft("RTX 4090", TOO_MUCH))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.rank")
        monkeypatch.setattr(Question, "answer", slow)
        await pilot.press("1", "2", "8")
        assert chosen(app, "train.rank") == 128
        assert len(asked) <= 1
        may_answer.set()
        await until(app, pilot, lambda: asked[-1] == 128)
        assert len(asked) <= 2

    drive(act, app=app)


def test_going_on_takes_the_advice_for_what_stands_there(monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer = threading.Event()
    answer = Question.answer

    def slow(question: Question) -> Advice:
        assert threading.current_thread() is threading.main_thread() or may_answer.wait(20)
        return answer(question)

    app = opened(large_draft("RTX 3060 12GB"))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.micro_batch")
        monkeypatch.setattr(Question, "answer", slow)
        before = app.draft.suggestions
        await pilot.press("3", "enter")
        assert app.draft.suggestions == before
        await pilot.press("ctrl+n")
        await until(app, pilot, lambda: app.wizard.step == "review")
        assert all(one.path != "train.micro_batch" for one in app.draft.suggestions)
        may_answer.set()

    drive(act, app=app)


def test_a_way_out_of_before_the_last_key_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer = threading.Event()
    answer = Question.answer

    def slow(question: Question) -> Advice:
        assert threading.current_thread() is threading.main_thread() or may_answer.wait(20)
        return answer(question)

    app = opened(large_draft("RTX 4090", TOO_MUCH))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.micro_batch")
        monkeypatch.setattr(Question, "answer", slow)
        await pilot.press("1", "enter")  # with that it fits
        await pilot.press("f")
        assert chosen(app, "train.micro_batch") == 1
        assert "OK " in memory(app)
        assert not app.pane.query_one("#fixes", Rows).display
        may_answer.set()

    drive(act, app=app)
