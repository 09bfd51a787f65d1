"""The monitor of one feed, with a clock that stands and a known box."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.screen import Screen

import tui.app
from engine.runs.events import Finished
from engine.runs.state import Observed
from engine.runs.store import RunFolder
from tests.runs.script import Script
from tests.tui.pilots import Act, drive, screen_text, until
from tests.tui.scenes import (
    RUN,
    START,
    FakeFeed,
    FakeGauges,
    begun,
    last_time,
    observed,
    training,
)
from tui.app import TailfinApp
from tui.feed import Feed, ReplayFeed
from tui.options import Opening, Options
from tui.screens.monitor import MonitorScreen
from tui.screens.watching import Meter

Driver = Pilot[list[str]]


class Watching(TailfinApp):
    """The app with nothing but a monitor of one feed, a clock that stands, and a known box."""

    CSS_PATH = str(Path(tui.app.__file__).with_name("app.tcss"))

    def __init__(
        self,
        feed: Feed,
        *,
        options: Options | None = None,
        gauges: Callable[[], Meter] = FakeGauges,
        every_s: float = 0.05,
        ended_every_s: float = 0.05,
    ) -> None:
        self.now = START
        if isinstance(feed, FakeFeed) and isinstance(feed.shown, Observed):
            self.now = (last_time(feed.shown) or START) + 0.4
        super().__init__(Opening(), options or Options(), clock=lambda: self.now)
        self._make = partial(
            MonitorScreen, feed, gauges=gauges, every_s=every_s, ended_every_s=ended_every_s
        )
        self.opened: list[tuple[str, RunFolder]] = []

    def get_default_screen(self) -> Screen[None]:
        screen = self._make()
        screen._push_result_callback(self, None)  # as the app itself does
        return screen

    def open_result(self, run: RunFolder, *, has_chatted: bool = False) -> None:
        self.opened.append(("result", run))

    def open_failure(self, run: RunFolder) -> None:
        self.opened.append(("failure", run))


def watch(feed: Feed, act: Act, *, size: tuple[int, int] = (80, 24), **how: Any) -> Watching:
    app = Watching(feed, **how)
    drive(act, size=size, app=app)
    return app


def live_feed(folder: Path | None = None, steps: int = 60) -> FakeFeed:
    feed = FakeFeed(observed(begun(*training(steps)), "running"), ["a line of log"])
    feed.run = RunFolder(folder) if folder is not None else RUN
    return feed


async def settled(app: TailfinApp, pilot: Driver) -> None:
    """What is shown is all that is known: two looks came after the box was read."""
    await until(app, pilot, lambda: "reading the gauges" not in screen_text(app))
    feed = screen_of(app).feed
    if isinstance(feed, FakeFeed):
        seen = feed.looks
        await until(app, pilot, lambda: feed.looks >= seen + 2)
    await pilot.pause()


def screen_of(app: TailfinApp) -> MonitorScreen:
    assert isinstance(app.screen, MonitorScreen)
    return app.screen


def _recording(folder: Path) -> ReplayFeed:
    run = RunFolder(folder)
    script: Script = begun(*training(300), Finished(300, "adapter", "It is done."))
    script.write(run.events)
    return ReplayFeed(run, speed=20.0, clock=lambda: 0.0)
