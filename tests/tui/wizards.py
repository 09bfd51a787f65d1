"""The app opened at one step of the wizard, with a draft of the test's choice."""

from __future__ import annotations

from pathlib import Path

from textual.screen import Screen

import tui.app
from tui.app import TailfinApp
from tui.draft import Draft
from tui.options import Opening, Options
from tui.panes.base import Pane
from tui.screens.wizard import WizardScreen


class WizardApp(TailfinApp):
    """Begins with the wizard where the app would begin with home."""

    CSS_PATH = str(Path(tui.app.__file__).with_name("app.tcss"))

    def __init__(
        self, draft: Draft | None = None, step: str = "box", runs: Path | None = None
    ) -> None:
        super().__init__(Opening(), Options(runs=str(runs) if runs else None))
        self.wizard = WizardScreen(draft or Draft(), step)

    def get_default_screen(self) -> Screen[None]:
        return self.wizard

    @property
    def draft(self) -> Draft:
        """The draft as the wizard holds it now."""
        return self.wizard.draft

    @property
    def pane(self) -> Pane:
        pane = self.wizard.pane
        assert pane is not None
        return pane
