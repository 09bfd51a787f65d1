"""What every screen does by itself: it is drawn anew whenever its room or its place changed."""

from __future__ import annotations

from textual.pilot import Pilot

from tests.tui.pilots import drive, until
from tui.app import TailfinApp
from tui.draw.line import Line, line
from tui.screens.base import TailfinScreen
from tui.screens.reading import ReadingScreen

Driver = Pilot[list[str]]


class _Counting(TailfinScreen):
    drawn = 0

    def heading(self) -> tuple[Line, Line]:
        return line(f"drawn at {self.size.width}"), ()

    def draw(self) -> None:
        self.drawn += 1


def test_a_screen_is_drawn_anew_when_resized_and_when_it_comes_back() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        screen = _Counting()
        app._show(screen)
        await until(app, pilot, lambda: screen.drawn > 0)
        before = screen.drawn
        await pilot.resize_terminal(100, 30)
        await until(app, pilot, lambda: screen.drawn > before)
        await until(app, pilot, "drawn at 100")
        app.push_screen(ReadingScreen("title", ["said"]))
        await until(app, pilot, lambda: app.screen is not screen)
        before = screen.drawn
        app.pop_screen()
        await until(app, pilot, lambda: screen.drawn > before)

    drive(act)
