"""Every scene looks as its picture does; TAILFIN_SNAPSHOTS=write draws the pictures anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.process import ROOT
from tests.tui.gallery.scene import all_scenes, perform, sizes
from tests.tui.pilots import screen_text
from tests.tui.scenes import SCENES as monitor_states
from tests.tui.snapshot import FOLDER, check
from tui.app import TailfinApp

PICTURES = ROOT / "docs" / "pictures"
# Picture of the README -> its scene, in a terminal that fits a page.
_OVERVIEW = {
    "home": "home-runs",
    "data": "data-good",
    "method": "method-too-much",
    "review": "review-ready",
    "monitor": "watch-late",
    "failure": "failure-oom",
    "result": "result-whole",
    "compare": "compare-answers",
    "chat": "chat-both",
}
_OVERVIEW_SIZE = (104, 30)
_SHOTS = [(name, size) for name in all_scenes() for size in sizes(name)]


@pytest.mark.parametrize(("name", "size"), _SHOTS, ids=[f"{n}-{w}x{h}" for n, (w, h) in _SHOTS])
def test_a_scene_looks_as_its_picture(name: str, size: tuple[int, int]) -> None:
    async def compare(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        # The scene's own folder has another name each time.
        assert str(Path.home()) not in "".join(screen_text(app).split())
        check(app, name)

    perform(name, size, compare)


@pytest.mark.parametrize("name", _OVERVIEW)
def test_the_overview_shows_the_app_as_it_is(name: str) -> None:
    async def compare(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        check(app, name, PICTURES / f"{name}.svg")

    perform(_OVERVIEW[name], _OVERVIEW_SIZE, compare)


def test_every_picture_has_its_scene() -> None:
    """A picture that nobody compares any more would only seem to be a proof."""
    wanted = {f"{name}-{width}x{height}" for name, (width, height) in _SHOTS}
    drawn = {path.stem for path in FOLDER.glob("*.svg")}
    # Those of the monitor's own tests are named after the states there.
    others = tuple(f"monitor-{state}-" for state in (*monitor_states, "ascii", "light"))
    assert {stem for stem in drawn if not stem.startswith(others)} == wanted
