"""Every control of every scene is reached by keyboard, says so without colour, and has help."""

from __future__ import annotations

import pytest
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from tests.tui.gallery.scene import SIZES, all_scenes, perform, sizes
from tests.tui.pilots import screen_text, until
from tui.app import TailfinApp
from tui.panes.method import MethodPane
from tui.screens.base import TailfinScreen
from tui.screens.help import HelpScreen
from tui.screens.home import HomeScreen
from tui.widgets.keyline import key_name
from tui.widgets.settings import SettingRows

Driver = Pilot[list[str]]
SIZE = SIZES[0]
_SCENES = [name for name in all_scenes() if SIZE in sizes(name)]
# One scene of each screen and step, in which every key that is shown is pressed once.
_OF_EACH = (
    "home-failed-run",
    "box-failing",
    "model-hub",
    "data-broken",
    "data-mapping",
    "method-too-much",
    "review-ready",
    "watch-late",
    "watch-notices",
    "watch-finished",
    "watch-replay",
    "failure-oom",
    "failure-gpu-lost",
    "resume-halved",
    "result-whole",
    "result-exporting",
    "result-export-failed",
    "compare-answers",
    "chat-empty",
    "chat-cancelled",
    "chat-died",
    "help-home",
    "palette-home",
    "picker-data",
    "failure-log",
    "watch-stop-question",
    "result-forms",
    "result-questions",
)
# Keys that other tests press in every scene.
_EVERYWHERE = ("help", "back", "home", "leave")
# What is done elsewhere (in a clipboard, by a run) or once more, without a trace on the screen.
_SILENT = (
    "copy command",
    "copy path",
    "copy home",
    "copy answer",
    "check again",
    "read again",
    "reread",
    "compare again",
    "complete",
    "faster",
    "slower",
)
# More presses than any screen has controls.
_MOST_PRESSES = 10
# More screens than lie between any and home, and a press that only ends an edit or an answer.
_MOST_BACK = 9


@pytest.mark.parametrize("name", _SCENES)
def test_every_control_is_reached_helped_and_left(name: str) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await reach_all(app, pilot)
        await ask_for_help(app, pilot)
        await go_home(app, pilot)

    perform(name, SIZE, act)


async def reach_all(app: TailfinApp, pilot: Driver) -> None:
    """Go through all that takes keys; each says without colour that it has them."""
    wanted = set(_controls(app))
    reached: dict[Widget, str] = {}
    for key in ("", *["tab"] * _MOST_PRESSES, *["shift+tab"] * 3, "up", "down"):
        if wanted <= set(reached):
            break
        before, seen = app.focused, _plain(app)
        await pilot.press(*[key] if key else [])
        await pilot.pause()
        now = app.focused
        if now is not None and now not in reached:
            if before is not None and before is not now:
                assert _within(seen, now.region) != _within(_plain(app), now.region), (
                    f"{key} led to {now!r}, which looks as it did before"
                )
            reached[now] = key
    assert wanted <= set(reached), f"no key led to {wanted - set(reached)}"


async def ask_for_help(app: TailfinApp, pilot: Driver) -> None:
    """Every screen explains itself; a box over one does so by its own words."""
    if not isinstance(app.screen, TailfinScreen):
        return
    await pilot.press("f1")
    await until(app, pilot, lambda: isinstance(app.screen, HelpScreen))
    assert isinstance(app.screen, HelpScreen)
    assert any(len(paragraph) > 40 for paragraph in app.screen._paragraphs)
    await pilot.press("escape")
    await until(app, pilot, lambda: not isinstance(app.screen, HelpScreen))


async def go_home(app: TailfinApp, pilot: Driver) -> None:
    """Esc leads there from everywhere, and never out of the app."""
    for _ in range(_MOST_BACK):
        if isinstance(app.screen, HomeScreen):
            break
        await pilot.press("escape")
        await pilot.pause()
    assert isinstance(app.screen, HomeScreen), screen_text(app)
    await pilot.press("escape")
    assert isinstance(app.screen, HomeScreen) and not app._exit


@pytest.mark.parametrize("name", _OF_EACH)
def test_every_key_that_is_shown_does_something(name: str) -> None:
    """Each in a fresh scene; what a key breaks is raised when the app is closed."""
    keys: dict[str, str] = {}

    async def collect(app: TailfinApp, pilot: Driver) -> None:
        shown = _shown_keys(app)
        keys.update({key: does for key, does in shown.items() if does not in _EVERYWHERE})

    perform(name, SIZE, collect)
    for key, does in keys.items():
        changes: list[bool] = []

        async def press(
            app: TailfinApp, pilot: Driver, key: str = key, changes: list[bool] = changes
        ) -> None:
            before = screen_text(app)
            await pilot.press(key)
            await pilot.pause(0.05)
            changes.append(app._exit or screen_text(app) != before)

        perform(name, SIZE, press)
        assert changes == [True] or does in _SILENT, f"{key} ({does}) changed nothing"


@pytest.mark.parametrize("name", _OF_EACH)
def test_it_can_be_left_from_everywhere(name: str) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        shown = {does: key for key, does in _shown_keys(app).items()}
        await pilot.press(shown.get("leave", "f10"))
        await until(app, pilot, lambda: app._exit)

    perform(name, SIZE, act)


def test_every_setting_has_help_of_its_own() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        pane, rows = app.screen.query_one(MethodPane), app.screen.query_one(SettingRows)
        told: dict[str, str] = {}
        for row in rows.rows:
            if not row.is_heading:
                rows.choose(row.key)
                await pilot.pause()
                told[row.key] = " ".join(pane.help_lines()[:2])
        assert len(told) > 30
        assert len(set(told.values())) == len(told)
        assert all(len(text) > 30 for text in told.values()), told

    perform("method-all", SIZE, act)


@pytest.mark.parametrize("name", ["model-hub", "data-good", "review-ready"])
def test_every_field_of_the_wizard_has_help(name: str) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        for field in app.screen.query(Input):
            field.focus()
            await pilot.pause()
            await pilot.press("f1")
            await until(app, pilot, lambda: isinstance(app.screen, HelpScreen))
            await pilot.press("escape")
            await until(app, pilot, lambda: not isinstance(app.screen, HelpScreen))
            assert app.focused is field

    perform(name, SIZE, act)


def _controls(app: TailfinApp) -> list[Widget]:
    """What can be seen and takes keys."""
    return [
        widget
        for widget in app.screen.query("*")
        if widget.focusable and widget.display and widget.region.area > 0
    ]


def _shown_keys(app: TailfinApp) -> dict[str, str]:
    """Key and words of what the last line names."""
    last = screen_text(app).splitlines()[-1]
    return {
        active.binding.key: active.binding.description
        for active in app.screen.active_bindings.values()
        if active.enabled
        and active.binding.show
        and f"{key_name(active.binding)} {active.binding.description}" in last
    }


def _plain(app: TailfinApp) -> list[list[str]]:
    """Each cell's character, and whether it is reversed; no colours."""
    cells: list[list[str]] = []
    for strip in app.screen._compositor.render_strips():
        row: list[str] = []
        for segment in strip:
            mark = "#" if segment.style is not None and segment.style.reverse else ""
            row += [f"{character}{mark}" for character in segment.text]
        cells.append(row)
    return cells


def _within(cells: list[list[str]], region: Region) -> list[list[str]]:
    return [row[region.x : region.right] for row in cells[region.y : region.bottom]]
