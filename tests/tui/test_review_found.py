"""What speaks against a run, said in the review: the box, the disk, the memory, the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.doctor.checks import Group
from engine.hub.cache import cache_root
from engine.memory.cards import Card
from tests.tui.pilots import drive, until
from tests.tui.review_step import (
    FAILURE,
    MODEL,
    Keys,
    Launches,
    known,
    opened,
    press_enter,
    said,
    told,
)
from tui.app import TailfinApp
from tui.draft import demo_draft
from tui.model_lookup import look_up
from tui.screens.confirm import ConfirmScreen
from tui.widgets.next_bar import NextBar
from tui.widgets.paper import Paper


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> Launches:
    return Launches(monkeypatch)


def test_failures_of_the_box_block_with_words(tmp_path: Path, launches: Launches) -> None:
    draft = replace(known(demo_draft()), groups=(Group("GPU", (FAILURE,)),))
    app = opened(draft, tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "The driver is [red]too old[/red].")
        assert said(app).startswith("FAIL  The driver")
        assert app.pane.stop == "1 failure of the box: fix, then step 1."
        await pilot.press("ctrl+n", "enter")
        assert app.wizard.step == "review"

    drive(act, app=app)
    assert launches.runs == []


@pytest.mark.parametrize("answer", ["escape", "n", "y"])
def test_a_budget_that_does_not_fit_is_asked_about(
    answer: str, tmp_path: Path, launches: Launches
) -> None:
    tiny = Card("RAM", 0.6, (0, 0), 0.0, is_gpu=False)
    app = opened(known(demo_draft(), tiny), tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "FAIL: Needs")
        await press_enter(app, pilot)
        await until(app, pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert launches.runs == []
        await pilot.press(answer)
        await until(app, pilot, lambda: not isinstance(app.screen, ConfirmScreen))
        if answer == "y":
            await until(app, pilot, lambda: bool(launches.opened))
        else:
            await pilot.pause(0.2)

    drive(act, app=app)
    assert len(launches.runs) == (answer == "y")


def test_the_plan_is_read_on_from_the_bar(tmp_path: Path) -> None:
    app = opened(known(demo_draft()), tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "more lines: PgDn to read on")
        await until(app, pilot, lambda: isinstance(app.focused, NextBar))
        for _page in app.pane.query_one("#plan", Paper).whole:
            await pilot.press("pagedown")
        await until(app, pilot, "End. PgUp goes back")

    drive(act, app=app, size=(60, 16))


@pytest.mark.parametrize(
    ("free", "is_one_volume", "says"),
    [
        ({"runs": 900, "cache": 0.001}, False, "are to be downloaded, but the model cache has"),
        ({"runs": 0.001, "cache": 900}, False, "Checkpoints need"),
        ({"runs": 1, "cache": 1}, True, "The download and the checkpoints need"),
        ({"runs": 1, "cache": 1}, False, ""),
    ],
)
def test_too_little_disk_is_said_before_the_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: dict[str, float],
    is_one_volume: bool,
    says: str,
) -> None:
    draft = known(demo_draft())
    place = look_up(MODEL, "").place
    app = opened(
        replace(draft, place=replace(place, total_bytes=2**30, cached_bytes=2**20)), tmp_path
    )
    kept = {tmp_path: free["runs"], cache_root(): free["cache"]}
    monkeypatch.setattr("engine.hub.cache.free_bytes", lambda path: int(kept[path] * 2**30))
    monkeypatch.setattr("engine.hub.cache.is_one_volume", lambda *_: is_one_volume)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "to download")
        words = ("are to be downloaded", "Checkpoints need", "The download and the checkpoints")
        assert [word for word in words if word in said(app)] == [
            word for word in words if word in says
        ]
        assert says in said(app)

    drive(act, app=app)


def test_a_volume_that_cannot_be_asked_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> int:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr("engine.hub.cache.free_bytes", refuse)
    app = opened(known(demo_draft()), tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "could not be used: Input/output error.")
        await told(app, pilot, "Check that it exists")
        assert not app.pane.stop

    drive(act, app=app)
