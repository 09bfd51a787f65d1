"""The review, opened on a draft as the steps before leave it."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.bundled import bundled
from engine.data.inspect import Inspection, Inspector
from engine.findings import Finding
from engine.memory.cards import Card
from engine.memory.model_config import read_config
from engine.memory.model_shape import read_shape
from engine.runs.store import RunFolder
from tests.tui.pilots import until
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.draft import Draft
from tui.widgets.next_bar import NextBar
from tui.widgets.paper import Paper

SAMPLES = bundled("samples")

MODEL = str(SAMPLES / "model")

RAM = Card("RAM", 16.0, (0, 0), 0.0, is_gpu=False, taken_gib=4.0)

SIZES = [(80, 24), (120, 40), (60, 16), (200, 50)]

FAILURE = Finding("gpu.driver-too-old", "fail", "The driver is [red]too old[/red].", "Get another.")

Keys = Pilot[list[str]]


def inspected(path: Path | str) -> Inspection:
    reader = Inspector()
    reader.start(path)
    found = reader.result()
    assert isinstance(found, Inspection)
    return found


def known(draft: Draft, card: Card = RAM) -> Draft:
    """The draft as the steps before leave it."""
    held = draft.text("data.eval_path")
    return replace(
        draft,
        card=card,
        shape=read_shape(read_config(MODEL).config),
        inspection=inspected(draft.text("data.path")),
        held_out=inspected(held) if held else None,
    )


class Launches:
    """Stands in for the detached process; everything before it is real."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.runs: list[RunFolder] = []
        self.opened: list[RunFolder] = []
        self.may_start = threading.Event()
        self.may_start.set()
        patch.setattr("engine.runs.create.launch", self._launch)
        patch.setattr(TailfinApp, "open_run", lambda _, run: self.opened.append(run))

    def _launch(self, run: RunFolder, command: object) -> None:
        self.may_start.wait(20)
        self.runs.append(run)


def opened(draft: Draft, runs: Path) -> WizardApp:
    return WizardApp(draft, "review", runs)


def said(app: WizardApp) -> str:
    """Everything the review says, on one line."""
    return " ".join(
        "".join(text for text, _ in line).strip()
        for paper in app.pane.query(Paper)
        for line in paper.whole
    )


async def told(app: WizardApp, pilot: Keys, text: str) -> None:
    await until(app, pilot, lambda: bool(app.screen.query("#plan")) and text in said(app))


async def press_enter(app: WizardApp, pilot: Keys) -> None:
    await until(app, pilot, lambda: isinstance(app.focused, NextBar))
    await pilot.press("enter")
