"""A screen hears of the newest size only, or two sizes would chase each other for ever."""

from __future__ import annotations

from pathlib import Path

from textual.events import Resize
from textual.geometry import Size
from textual.pilot import Pilot

from tests.tui.pilots import drive, until
from tui.app import TailfinApp


def test_sizes_that_are_out_of_date_are_not_taken(tmp_path: Path) -> None:
    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await pilot.press("question_mark")
        await until(app, pilot, lambda: len(app.screen_stack) == 2)
        old, new = Size(120, 40), app.size
        for screen in app.screen_stack:
            assert not screen.post_message(Resize(old, old))
            assert screen.post_message(Resize(new, new))
        await pilot.resize_terminal(*old)
        await until(app, pilot, lambda: all(s.outer_size == old for s in app.screen_stack))

    drive(act, runs=tmp_path)
