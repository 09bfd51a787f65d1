"""The box step live: findings before the hub answers, one group again, fixes that are applied."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.doctor.checks import Group
from engine.doctor.facts import Box
from engine.findings import Finding
from tests.doctor import boxes
from tests.tui.pilots import drive, screen_text, until
from tests.tui.test_box import BROKEN, Doctor, chosen_id, shown
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.widgets.rows import Rows


def test_what_is_known_stands_there_before_the_hub_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer = threading.Event()

    def gather(host: object, early: Callable[[Box, frozenset[str]], None]) -> Box:
        early(BROKEN, frozenset({"hub"}))
        may_answer.wait(20)
        return BROKEN

    monkeypatch.setattr("engine.doctor.box.gather", gather)
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, lambda: bool(app.pane.query_one(Rows).rows))
        keys = [row.key for row in app.pane.query_one(Rows).rows]
        assert any(key.startswith("gpu.driver-too-old") for key in keys)
        assert not any(key.startswith("hub") for key in keys)
        assert app.pane.stop == "The box is being checked."
        await pilot.press("down")
        before = chosen_id(app)
        may_answer.set()
        await until(app, pilot, lambda: app.draft.box is not None)
        await pilot.pause()
        assert chosen_id(app) == before
        assert any(row.key.startswith("hub") for row in app.pane.query_one(Rows).rows)

    drive(act, app=app)


def test_one_group_is_checked_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    doctor = Doctor(monkeypatch, BROKEN)
    asked: list[str] = []

    def renew(host: object, box: Box, group: str) -> Box:
        asked.append(group)
        return replace(box, gpu=boxes.GPU)

    monkeypatch.setattr("engine.doctor.box.renew", renew)
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await shown(app, pilot)
        await pilot.press("r")
        await until(app, pilot, "1 failure to fix.")

    drive(act, app=app)
    assert (len(asked), doctor.num_asked) == (1, 1)


def test_the_list_can_be_ordered_by_group(monkeypatch: pytest.MonkeyPatch) -> None:
    Doctor(monkeypatch, BROKEN)
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await shown(app, pilot)
        before = chosen_id(app)
        await pilot.press("g")
        rows = app.pane.query_one(Rows).rows
        headings = ["".join(t for t, _ in r.drawn) for r in rows if r.is_heading and any(r.drawn)]
        assert len(headings) >= 5 and "disk" in headings
        assert chosen_id(app) == before
        await pilot.press("g")
        left = [row for row in app.pane.query_one(Rows).rows if row.is_heading]
        assert not left or "failure" in str(left[0].drawn)

    drive(act, app=app, size=(120, 40))


def safe_app(monkeypatch: pytest.MonkeyPatch, fix: str) -> WizardApp:
    finding = Finding("disk.full", "fail", "The disk is full.", fix, why="It ends.", safe=True)
    group = Group("disk", (finding,))
    monkeypatch.setattr("engine.doctor.checks.examine", lambda box: [group])
    Doctor(monkeypatch, BROKEN)
    return WizardApp()


@pytest.mark.parametrize("keys", [["enter", "enter"], ["y"]])
def test_a_safe_fix_is_run_only_once_it_was_agreed_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keys: list[str]
) -> None:
    monkeypatch.setenv("TAILFIN_TRIED", "before")
    fix = f"export TAILFIN_TRIED=after && touch {tmp_path}/mark && echo done here"
    app = safe_app(monkeypatch, fix)

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, lambda: app.draft.box is not None)
        await until(app, pilot, "Why:")
        await pilot.press("a")
        await until(app, pilot, "Nothing is run before you say so.")
        assert "touch" in screen_text(app)
        await pilot.press("escape")
        assert not (tmp_path / "mark").exists()
        await pilot.press("a")
        await pilot.press(*keys)
        await until(app, pilot, "It ended well. TAILFIN_TRIED now holds")
        assert "done here" in screen_text(app)
        assert os.environ["TAILFIN_TRIED"] == "after"
        assert (tmp_path / "mark").exists()
        await pilot.press("enter")
        await until(app, pilot, "The disk is full.")

    drive(act, app=app)


def test_a_fix_at_work_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    app = safe_app(monkeypatch, "echo begun; sleep 60")

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, lambda: app.draft.box is not None)
        await pilot.press("a", "y")
        await until(app, pilot, "It is running.")
        await pilot.press("ctrl+c")
        await until(app, pilot, "It was cancelled and ended.")

    drive(act, app=app)
