"""The wizard goes from step to step while each may still have something to draw or to hear."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from engine.errors import TailfinError
from tests.tui.data_step import GOOD
from tests.tui.pilots import drive, until
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.ask import Answered
from tui.draft import demo_draft
from tui.screens.wizard import STEPS

QUESTIONS = ("box", "model", "recent", "rows", "tokens", "card", "shape", "advice", "outlook")


@pytest.mark.parametrize("step", list(STEPS))
def test_a_step_that_was_left_draws_no_more_and_hears_nothing(step: str) -> None:
    app = WizardApp(demo_draft().choose("data.path", str(GOOD)), step)

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, lambda: app.wizard.pane is not None and app.pane.size.width > 0)
        pane = app.pane
        await pane.remove()
        for draw in ("_draw", "_draw_found", "_tick"):
            if hasattr(pane, draw):
                getattr(pane, draw)()
        for question in QUESTIONS:
            serial = pane._serial(question)
            pane.on_answered(Answered(question, serial, TailfinError("No.", "Leave.")))

    drive(act, app=app)
