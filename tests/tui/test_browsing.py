"""F3 opens the files from whatever was typed, however little sense it makes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine.runs.store import RunFolder
from tests.tui.pilots import drive, until
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.draft import Draft
from tui.screens.picker import PickerScreen
from tui.screens.questions import QuestionsScreen
from tui.widgets.path_input import PathInput

ODD = ["", "x" * 300, "/" + "x" * 300, "~nobodyhere/x", "a\0b", "/nowhere/at/all.jsonl"]
Keys = Pilot[list[str]]


async def browsed(app: WizardApp, pilot: Keys) -> None:
    """F3 shows a folder, and Esc comes back."""
    before = app.screen
    await pilot.press("f3")
    await until(app, pilot, lambda: isinstance(app.screen, PickerScreen))
    picker = app.screen
    await until(app, pilot, lambda: picker._listing is not None)  # type: ignore[attr-defined]
    await pilot.press("escape")
    await until(app, pilot, lambda: app.screen is before)


@pytest.mark.parametrize("typed", ODD)
def test_from_the_data_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.chdir(tmp_path)
    app = WizardApp(Draft(choices={"data.path": typed} if typed else {}), "data", tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, lambda: isinstance(app.focused, PathInput))
        await browsed(app, pilot)

    drive(act, app=app)


@pytest.mark.parametrize("typed", ODD)
def test_from_the_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.chdir(tmp_path)
    app = WizardApp(runs=tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        app.push_screen(QuestionsScreen(RunFolder(tmp_path)))
        await until(app, pilot, lambda: isinstance(app.focused, PathInput))
        app.screen.query_one(PathInput).value = typed
        await browsed(app, pilot)

    drive(act, app=app)


def test_where_the_current_folder_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    app = WizardApp(Draft(), "data", tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, lambda: isinstance(app.focused, PathInput))
        gone.rmdir()
        await browsed(app, pilot)

    drive(act, app=app)


def test_a_typed_path_on_a_dead_drive_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_answer, asked = threading.Event(), threading.Event()
    isfile = os.path.isfile

    def hung(path: str | Path) -> bool:
        if str(path) == "/dead/file":
            assert threading.current_thread() is not threading.main_thread()
            asked.set()
            may_answer.wait(20)
        return isfile(path)

    monkeypatch.setattr("os.path.isfile", hung)
    app = WizardApp(Draft(), "data", tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, lambda: isinstance(app.focused, PathInput))
        before = app.screen
        await pilot.press("f3")
        await until(app, pilot, lambda: isinstance(app.screen, PickerScreen))
        app.screen.query_one(Input).value = "/dead/file"
        await pilot.press("enter")
        await until(app, pilot, asked.is_set)
        await pilot.press("escape")
        await until(app, pilot, lambda: app.screen is before)
        may_answer.set()

    drive(act, app=app)
