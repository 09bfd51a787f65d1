"""Choosing files and folders by walking through them."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine.bundled import bundled
from tests.tui.pilots import drive, screen_text, until
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.screens.picker import PickerScreen
from tui.widgets.rows import Rows
from tui.widgets.sheet import Sheet


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with folders, a model, data files and names that are hard to draw."""
    root = tmp_path / "place"
    (root / "empty").mkdir(parents=True)
    (root / "数据 [red]" / "deep").mkdir(parents=True)
    shutil.copytree(bundled("samples") / "model", root / "tiny-model")
    (root / "rows.jsonl").write_text("{}\n" * 700)
    (root / "table.csv").write_text("a,b\n")
    (root / "notes.txt").write_text("x")
    return root


class Chosen:
    """Takes what the picker was dismissed with."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.is_closed = False

    def __call__(self, path: Path | None) -> None:
        self.path, self.is_closed = path, True


async def opened(
    app: WizardApp, pilot: Pilot[list[str]], start: Path, *, folders: bool
) -> tuple[PickerScreen, Chosen]:
    """The picker over the wizard, its first folder read."""
    screen, chosen = PickerScreen("Choose", start, folders=folders), Chosen()
    app.push_screen(screen, chosen)
    await until(app, pilot, lambda: any(rows.rows for rows in screen.query(Rows)))
    return screen, chosen


def names(screen: PickerScreen) -> list[str]:
    """The rows that can be chosen."""
    return [row.key for row in screen.query_one(Rows).rows if not row.is_heading]


def test_a_models_folder_is_chosen_with_enter_and_others_are_entered(place: Path) -> None:
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        screen, chosen = await opened(app, pilot, place, folders=True)
        assert names(screen) == ["/here", "/up", "empty", "tiny-model", "数据 [red]"]
        assert "数据 [red]/" in screen_text(app)
        assert "rows.jsonl" in screen_text(app)  # shown for orientation, not to be chosen
        await pilot.press("down", "down", "down", "down", "enter")
        await until(app, pilot, lambda: "deep" in names(screen))
        await pilot.press("left")
        await until(app, pilot, lambda: "tiny-model" in names(screen))
        assert screen.query_one(Rows).key == "数据 [red]"  # where one came from
        await pilot.press("up")
        assert screen.query_one(Rows).key == "tiny-model"
        await pilot.press("enter")
        await until(app, pilot, lambda: chosen.is_closed)
        assert chosen.path == place / "tiny-model"

    drive(act, app=app)


def test_the_folder_itself_can_be_used_from_inside(place: Path) -> None:
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        screen, chosen = await opened(app, pilot, place, folders=True)
        await pilot.press("t", "i", "n", "y")
        assert names(screen) == ["tiny-model"]
        await pilot.press("right")
        await until(app, pilot, "config.json and weights are here")
        await pilot.press("enter")
        await until(app, pilot, lambda: chosen.is_closed)
        assert chosen.path == place / "tiny-model"

    drive(act, app=app)


def test_a_file_of_rows_is_chosen(place: Path) -> None:
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        screen, chosen = await opened(app, pilot, place, folders=False)
        assert "JSONL" in screen_text(app)
        assert "2.1 KiB" in screen_text(app)
        assert "/here" not in names(screen)
        await pilot.press("t", "a", "b", "enter")
        await until(app, pilot, lambda: chosen.is_closed)
        assert chosen.path == place / "table.csv"

    drive(act, app=app)


def test_a_typed_path_is_gone_to_and_a_typed_file_chosen(place: Path) -> None:
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        screen, chosen = await opened(app, pilot, place / "empty", folders=False)
        field = screen.query_one(Input)
        field.insert_text_at_cursor(str(place / "nowhere"))
        await until(app, pilot, "Enter goes to this path.")
        await pilot.press("enter")
        await until(app, pilot, "There is no folder")
        await pilot.press("left")
        await until(app, pilot, lambda: "rows.jsonl" in names(screen))
        field.insert_text_at_cursor("./rows.jsonl")
        await pilot.press("enter")
        await until(app, pilot, lambda: chosen.is_closed)
        assert chosen.path == place / "rows.jsonl"

    drive(act, app=app)


@pytest.mark.parametrize("typed", ["/" + "a" * 300, "~nobody-of-that-name/x"])
def test_a_path_that_cannot_exist_is_said(place: Path, typed: str) -> None:
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        screen, chosen = await opened(app, pilot, place, folders=False)
        screen.query_one(Input).insert_text_at_cursor(typed)
        await pilot.press("enter")
        await until(app, pilot, lambda: screen.query_one("#picker-note", Sheet).text != "")
        await until(app, pilot, lambda: names(screen) == ["/up"])
        assert not chosen.is_closed
        await pilot.press("enter")
        await until(app, pilot, lambda: len(names(screen)) > 1)

    drive(act, app=app)


def test_it_begins_at_the_nearest_folder_there_is(place: Path) -> None:
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        screen, _chosen = await opened(app, pilot, place / "half" / "typed", folders=True)
        assert "tiny-model" in names(screen)

    drive(act, app=app)


def test_escape_chooses_nothing_and_no_match_is_said(place: Path) -> None:
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        screen, chosen = await opened(app, pilot, place, folders=True)
        await pilot.press("z", "z")
        await until(app, pilot, "Nothing here is called that.")
        await pilot.press("enter", "right")
        assert app.screen is screen
        await pilot.press("escape")
        await until(app, pilot, lambda: chosen.is_closed)
        assert chosen.path is None

    drive(act, app=app, size=(60, 16))


def test_a_drive_that_does_not_answer_can_be_left(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        screen, chosen = await opened(app, pilot, place, folders=True)
        monkeypatch.setattr("tui.screens.picker.list_folder", lambda folder: release.wait(20))
        await pilot.press("down", "enter")
        await until(app, pilot, "Reading the folder ...")
        await pilot.press("enter", "left", "escape")
        await until(app, pilot, lambda: chosen.is_closed)
        assert screen not in app.screen_stack
        release.set()

    drive(act, app=app)
