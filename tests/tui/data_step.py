"""The data step, opened on a file, and what a person does there."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot

from engine.bundled import bundled
from tests.tui.pilots import until
from tests.tui.wizards import WizardApp
from tui.draft import Draft
from tui.widgets.next_bar import NextBar
from tui.widgets.paper import Paper
from tui.widgets.path_input import PathInput

SAMPLES = bundled("samples")

GOOD = SAMPLES / "good.jsonl"

SIZES = [(80, 24), (120, 40), (60, 16), (200, 50)]

Keys = Pilot[list[str]]


def opened(path: Path | str = "", runs: Path | None = None) -> WizardApp:
    """The app at the data step, with a file named already; no model, so no tokens are counted."""
    return WizardApp(Draft(choices={"data.path": str(path)} if path else {}), "data", runs)


def said(app: WizardApp) -> str:
    """Everything that is reported about the file, on one line."""
    return " ".join(
        "".join(text for text, _ in line).strip()
        for paper in app.pane.query(Paper)
        for line in paper.whole
    )


async def told(app: WizardApp, pilot: Keys, text: str) -> None:
    """Until the report says it."""
    plain = text.replace(" ", "")  # a long path breaks in the middle of a word
    await until(app, pilot, lambda: plain in said(app).replace(" ", ""))


async def go_on(app: WizardApp, pilot: Keys) -> None:
    await until(app, pilot, lambda: app.pane.stop == "")


async def type_in(app: WizardApp, pilot: Keys, text: str, field: str = "#rows-path") -> None:
    """Put a text into a field as one paste."""
    await until(app, pilot, lambda: bool(app.screen.query(field)))
    found = app.screen.query_one(field, PathInput)
    found.focus()
    await pilot.pause()
    found.value = text
    found.cursor_position = len(text)
    setting = "data.path" if field == "#rows-path" else "data.eval_path"
    await until(app, pilot, lambda: app.draft.text(setting) == text)


async def at_the_bar(app: WizardApp, pilot: Keys) -> None:
    """Nothing is in the way, and Enter goes on."""
    await until(app, pilot, lambda: isinstance(app.focused, NextBar) and not app.pane.stop)
