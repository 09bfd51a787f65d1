"""Letting go of the box: whatever is under way when a watching screen goes, nothing stays open."""

from __future__ import annotations

import threading

from textual.pilot import Pilot

from tests.tui.pilots import drive, until
from tests.tui.scenes import FakeFeed, FakeGauges, begun, observed, training
from tui.app import TailfinApp
from tui.screens.monitor import MonitorScreen

Driver = Pilot[list[str]]


def test_gauges_made_while_the_screen_goes_are_let_go_too() -> None:
    gauges = FakeGauges()
    is_making, may_end = threading.Event(), threading.Event()

    def make() -> FakeGauges:
        is_making.set()
        assert may_end.wait(20)
        return gauges

    async def act(app: TailfinApp, pilot: Driver) -> None:
        feed = FakeFeed(observed(begun(*training(60)), "running"), ["a line of log"])
        screen = MonitorScreen(feed, gauges=make, every_s=0.05)
        app._show(screen)
        await until(app, pilot, is_making.is_set)
        app.go_home()
        await until(app, pilot, lambda: not screen.is_running)
        may_end.set()
        await until(app, pilot, lambda: gauges.is_closed)

    drive(act)


def test_no_gauges_are_made_once_the_screen_has_gone() -> None:
    made: list[FakeGauges] = []

    def make() -> FakeGauges:
        made.append(FakeGauges())
        return made[-1]

    feed = FakeFeed(observed(begun(*training(60)), "running"), ["a line of log"])
    screen = MonitorScreen(feed, gauges=make)
    screen.let_go()
    assert screen._read_gauges() is None and not made
