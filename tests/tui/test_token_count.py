"""A count of tokens goes on from step to step, and ends with what it was for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.bundled import bundled
from engine.data.inspect import Inspector
from tests.tui.gallery.files import SUPPORT
from tests.tui.pilots import drive, until
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.draft import Draft

SAMPLES = bundled("samples")
Keys = Pilot[list[str]]


class Count(Inspector):
    """Under way until it is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


def counted(count: Inspector) -> Draft:
    """The data step left while its tokens are still counted."""
    choices = {"data.path": str(SAMPLES / "good.jsonl")}
    found = replace(SUPPORT, tokens=None)
    return replace(Draft(choices=choices), inspection=found, counting=count)


@pytest.fixture(autouse=True)
def never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Count, "result", lambda self: None)


def test_it_ends_with_the_wizard(tmp_path: Path) -> None:
    count = Count()
    app = WizardApp(counted(count), "model", tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "Base model")
        await pilot.press("ctrl+b")
        await until(app, pilot, lambda: app.wizard.step == "box")
        assert not count.is_cancelled

    drive(act, app=app)
    assert count.is_cancelled


def test_it_ends_when_another_model_is_named(tmp_path: Path) -> None:
    count = Count()
    app = WizardApp(counted(count), "model", tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "Base model")
        app.pane.change(app.draft.choose("model.path", str(SAMPLES / "model")))
        await until(app, pilot, lambda: count.is_cancelled)
        assert app.draft.counting is None

    drive(act, app=app)


def test_one_begun_in_the_method_step_is_known_to_the_wizard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = Count()
    monkeypatch.setattr("tui.panes.method.count_tokens", lambda draft: count)
    app = WizardApp(replace(counted(count), counting=None), "method", tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, lambda: app.draft.counting is count)

    drive(act, app=app)
    assert count.is_cancelled
