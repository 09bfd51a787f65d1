"""A terminal that is too small: said above everything, just while it is so."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot

from tests.tui.pilots import drive, screen_text, until
from tui.app import TailfinApp
from tui.screens.help import HelpScreen
from tui.screens.home import HomeScreen
from tui.screens.small import SmallScreen
from tui.screens.wizard import WizardScreen

Driver = Pilot[list[str]]


async def _resize(app: TailfinApp, pilot: Driver, width: int, height: int) -> None:
    await pilot.resize_terminal(width, height)
    await until(app, pilot, lambda: app.size == (width, height))


def _kinds(app: TailfinApp) -> list[str]:
    return [type(screen).__name__ for screen in app.screen_stack]


def test_a_screen_opened_meanwhile_stands_below_it(tmp_path: Path) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, "New run")
        await _resize(app, pilot, 50, 12)
        await until(app, pilot, "needs 60 x 16")
        app.open_wizard()  # as the answer to a question does
        await until(app, pilot, lambda: _kinds(app) == ["WizardScreen", "SmallScreen"])
        await until(app, pilot, "needs 60 x 16")
        await _resize(app, pilot, 80, 24)
        await until(app, pilot, lambda: isinstance(app.screen, WizardScreen))
        await until(app, pilot, "1 box")

    drive(act, runs=tmp_path)


def test_a_box_opened_meanwhile_is_read_once_there_is_room(tmp_path: Path) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, "New run")
        await _resize(app, pilot, 50, 12)
        await until(app, pilot, lambda: isinstance(app.screen, SmallScreen))
        app.push_screen(HelpScreen("Notices", ["Something came meanwhile."], ()))
        await until(app, pilot, lambda: _kinds(app)[-2:] == ["HelpScreen", "SmallScreen"])
        await until(app, pilot, "needs 60 x 16")
        await _resize(app, pilot, 80, 24)
        await until(app, pilot, "Something came meanwhile.")
        await pilot.press("escape")
        await until(app, pilot, lambda: isinstance(app.screen, HomeScreen))
        assert "New run" in screen_text(app) and len(app.screen_stack) == 1

    drive(act, runs=tmp_path)
