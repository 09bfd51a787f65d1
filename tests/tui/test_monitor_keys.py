"""What the keys of the monitor do: acts, ways out and on, recorded runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.runs.acts import pending
from engine.runs.events import Acted
from engine.runs.store import RunFolder
from tests.tui.pilots import screen_lines, screen_text, until
from tests.tui.scenes import (
    begun,
    observed,
    scene,
    training,
)
from tests.tui.watching import Driver, Watching, _recording, live_feed, settled, watch
from tui.app import TailfinApp
from tui.feed import ReplayFeed
from tui.screens.help import HelpScreen
from tui.screens.home import HomeScreen
from tui.screens.monitor import MonitorScreen


def test_save_asks_the_run_and_shows_its_answer(tmp_path: Path) -> None:
    feed = live_feed(tmp_path)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        await pilot.press("s")
        await until(app, pilot, "INFO  A checkpoint was asked for")
        await until(app, pilot, lambda: bool(pending(feed.run)))
        [asked] = pending(feed.run)
        assert asked.name == "save"
        said = Acted(asked.id, "save", True, "Saved checkpoints/checkpoint-61.")
        feed.shown = observed(begun(*training(61), said), "running")
        await until(app, pilot, "save: Saved checkpoints/checkpoint-61.")

    watch(feed, act)


def test_stop_asks_first_and_no_is_the_safe_answer(tmp_path: Path) -> None:
    feed = live_feed(tmp_path)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        for keys in (["x", "enter"], ["x", "escape"], ["x", "n"]):
            await pilot.press(keys[0])
            await until(app, pilot, "Stop the run?")
            assert "tailfin resume" in screen_text(app) and "delivers" in screen_text(app)
            await pilot.press(keys[1])
            await until(app, pilot, lambda: isinstance(app.screen, MonitorScreen))
        assert pending(feed.run) == []
        await pilot.press("x", "y")
        await until(app, pilot, lambda: [act.name for act in pending(feed.run)] == ["stop"])
        [asked] = pending(feed.run)
        said = Acted(asked.id, "stop", True, "It saves at step 61 and stops.")
        feed.shown = observed(begun(*training(61), said), "running")
        await until(app, pilot, "STOPPING")
        await until(app, pilot, "stop: It saves at step 61 and stops.")

    watch(feed, act)


def test_keys_that_ask_something_of_a_run_are_there_only_while_it_lives() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        assert "s save" not in screen_lines(app)[-1] and "x stop" not in screen_lines(app)[-1]
        await pilot.press("x", "s")
        assert isinstance(app.screen, MonitorScreen)

    watch(scene("finished"), act)


def test_leaving_says_how_to_come_back() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        await pilot.press("q")

    app = watch(live_feed(), act)
    assert app.return_value == [
        "20261123-180000-support-bot goes on.",
        "  Come back: tailfin attach /runs/20261123-180000-support-bot",
        "  End it:    tailfin stop /runs/20261123-180000-support-bot",
    ]


def test_leaving_what_has_ended_says_nothing() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        await pilot.press("q")

    assert watch(scene("finished"), act).return_value == []


def test_going_home_takes_the_words_along() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        assert app.last_words
        await pilot.press("escape")
        await until(app, pilot, lambda: isinstance(app.screen, HomeScreen))
        await until(app, pilot, lambda: not app.last_words)

    watch(live_feed(), act)


@pytest.mark.parametrize(
    ("name", "has_result", "label", "opened"),
    [
        ("finished", True, "[ Result ]", "result"),
        ("stopped", True, "[ Result ]", "result"),
        ("stopped", False, "[ What happened ]", "failure"),
        ("out-of-memory", False, "[ What happened ]", "failure"),
        ("crashed", True, "[ What happened ]", "failure"),
    ],
)
def test_at_the_end_enter_leads_on(
    tmp_path: Path, name: str, has_result: bool, label: str, opened: str
) -> None:
    feed = scene(name)
    feed.run = RunFolder(tmp_path)
    if has_result:
        feed.run.adapter.mkdir()

    async def act(app: TailfinApp, pilot: Driver) -> None:
        assert isinstance(app, Watching)
        await until(app, pilot, label)
        await pilot.press("enter")
        await until(app, pilot, lambda: bool(app.opened))

    assert watch(feed, act).opened == [(opened, feed.run)]


def test_all_notices_can_be_read() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        await pilot.press("n")
        await until(app, pilot, lambda: isinstance(app.screen, HelpScreen))
        text = screen_text(app)
        assert "WARN  12.4 % of rows" in text and "INFO  Rows are cut" in text

    watch(scene("notices"), act)


def test_help_explains_the_numbers_and_lists_the_keys() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        await pilot.press("question_mark")
        await until(app, pilot, "smoothed over about the last sqrt(n)")
        for key in ("s ", "x ", "m ", "l ", "Esc ", "q "):
            assert any(line.strip().startswith(key) for line in screen_lines(app))

    watch(scene("running"), act, size=(80, 50))


def test_a_recording_is_steered_by_keys(tmp_path: Path) -> None:
    feed = _recording(tmp_path)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, "REPLAY x20")
        assert "s save" not in screen_text(app) and "gauges" not in screen_text(app)
        await pilot.press("space")
        await until(app, pilot, "REPLAY paused")
        await pilot.press("space", "plus", "plus", "minus")
        await until(app, pilot, "REPLAY x40")
        await pilot.press("e")
        await until(app, pilot, "REPLAY at its end")
        await until(app, pilot, "> [ Play it again ]")
        assert "FINISHED  step 300/1,000" in screen_text(app) and "It is done." in screen_text(app)
        await pilot.press("enter")
        await until(app, pilot, "REPLAY x40")
        await until(app, pilot, "STARTING")
        await pilot.press("e", "0")
        await until(app, pilot, "STARTING")
        assert app.last_words == []

    watch(feed, act)


def test_a_recording_that_is_empty_is_said(tmp_path: Path) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, "FAIL  Nothing is recorded in")

    watch(ReplayFeed(RunFolder(tmp_path)), act)
