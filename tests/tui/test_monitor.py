"""The monitor: what it shows of every state, what its keys do, and what it never does."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import TailfinError
from engine.runs.state import LIVE, Observed
from engine.runs.status import fold_all
from tests.runs.script import started
from tests.tui.pilots import screen_lines, screen_text, until
from tests.tui.scenes import (
    HOST,
    PLAN,
    SCENES,
    FakeFeed,
    FakeGauges,
    begun,
    make_step,
    observed,
    scene,
    training,
)
from tests.tui.watching import Driver, Watching, live_feed, screen_of, settled, watch
from tui.app import TailfinApp
from tui.draw.run_head import WORDS
from tui.lookout import Picture
from tui.options import Options
from tui.panes.run_view import RunView
from tui.screens.confirm import ConfirmScreen
from tui.screens.home import HomeScreen
from tui.widgets.next_bar import NextBar


@pytest.mark.parametrize("name", SCENES)
def test_every_state_is_drawn_at_every_size(name: str) -> None:
    feed = scene(name)
    assert isinstance(feed.shown, Observed)
    status, state = feed.shown.status, feed.shown.state

    async def act(app: TailfinApp, pilot: Driver) -> None:
        for size in ((80, 24), (60, 16), (120, 40), (200, 50)):
            await pilot.resize_terminal(*size)
            await settled(app, pilot)
            lines = screen_lines(app)
            assert lines[1].strip().startswith(WORDS[state][0])
            assert lines[-1].startswith(" ? help" if app.focused is None else " Enter")
            assert ("q leaves, the run goes on" in lines[0]) == (state in LIVE)
            if status.steps:
                assert any("smoothed" in line for line in lines)
                axis = [line for line in lines if "|" in line]
                assert len(axis) >= 3, "\n".join(lines)
            elif state in LIVE:
                assert sum("to come" in line or " now" in line for line in lines) >= 1
            if state in LIVE:
                assert "of 450 W" in screen_text(app)
            else:
                assert "of 450 W" not in screen_text(app)
                assert lines[-2].startswith(" > [ ")

    watch(feed, act)


def test_ascii_mode_is_ascii() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        for size in ((80, 24), (120, 40)):
            await pilot.resize_terminal(*size)
            await settled(app, pilot)
            assert screen_text(app).isascii()

    watch(scene("running"), act, options=Options(ascii_only=True))


def test_nothing_of_a_log_is_obeyed_by_the_terminal() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        text = screen_text(app)
        assert "\x1b" not in text and "\\x1b[31mred" in text and "数据集" in text

    watch(scene("foreign"), act)


def test_a_resize_moves_the_numbers_beside_the_chart() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        narrow = screen_lines(app)
        await pilot.resize_terminal(120, 40)
        await until(app, pilot, "rows     5,000")
        assert "loss " in screen_lines(app)[3] and "smoothed" in screen_lines(app)[3]
        await pilot.resize_terminal(80, 24)
        await until(app, pilot, lambda: screen_lines(app) == narrow)

    watch(scene("running"), act)


def test_the_chart_can_show_something_else_and_in_powers_of_ten() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        legends = []
        for _ in range(4):
            legends.append(screen_lines(app)[9].strip())
            await pilot.press("m")
            await settled(app, pilot)
        assert [text.split("  ")[0] for text in legends] == [
            "loss",
            "grad norm",
            "learning rate",
            "tok/s",
        ]
        assert screen_lines(app)[9].strip() == legends[0]
        await pilot.press("l")
        await until(app, pilot, "log scale")
        await pilot.press("l")
        await until(app, pilot, lambda: "log scale" not in screen_text(app))

    watch(scene("running"), act)


def test_a_look_that_hangs_is_not_asked_twice_and_is_named() -> None:
    feed, gate = live_feed(), threading.Event()
    look = feed.look

    def slow_look() -> Observed:
        seen = look()
        if feed.looks > 3:
            gate.wait(20)
        return seen

    feed.look = slow_look  # type: ignore[method-assign]

    async def act(app: TailfinApp, pilot: Driver) -> None:
        assert isinstance(app, Watching)
        await until(app, pilot, lambda: feed.looks == 4)
        app.now += 12
        await until(app, pilot, "The run's folder has not answered for 12 s.")
        assert feed.looks == 4
        gate.set()
        await until(app, pilot, lambda: "not answered" not in screen_text(app))

    watch(feed, act)


def test_a_first_look_that_takes_long_is_said() -> None:
    feed, gate = live_feed(), threading.Event()
    look = feed.look

    def slow_look() -> Observed:
        gate.wait(20)
        return look()

    feed.look = slow_look  # type: ignore[method-assign]

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, "reading the run")
        gate.set()
        await until(app, pilot, "step 60/1,000")
        assert "reading the run" not in screen_text(app)

    watch(feed, act)


def test_over_a_slow_link_it_looks_half_as_often() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        assert screen_of(app).pace_s == 0.1

    watch(live_feed(), act, options=Options(slow_link=True))


def test_a_driver_that_hangs_holds_up_nothing() -> None:
    gate = threading.Event()

    class Hung(FakeGauges):
        def read(self, worker_pid: int = 0) -> Any:
            gate.wait(20)
            return super().read(worker_pid)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        assert isinstance(app, Watching)
        await until(app, pilot, "step 60/1,000")
        app.now += 20
        await until(app, pilot, "The GPU driver has not answered for 20 s.")
        gate.set()
        await until(app, pilot, "402 of 450 W")

    watch(live_feed(), act, gauges=Hung)


def test_the_gauges_are_let_go() -> None:
    gauges = FakeGauges()

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        app.go_home()
        await until(app, pilot, lambda: gauges.is_closed)

    watch(live_feed(), act, gauges=lambda: gauges)


def test_after_the_end_it_looks_less_often_but_notices_a_resume() -> None:
    feed = scene("stopped")

    async def act(app: TailfinApp, pilot: Driver) -> None:
        monitor = screen_of(app)
        await until(app, pilot, "STOPPED")
        assert monitor.pace_s == 0.2 and app.query_one(NextBar).has_focus
        script = begun(*training(200)).add(started(2, 200), PLAN, make_step(201, elapsed_s=2.0))
        feed.shown = observed(script, "running")
        await until(app, pilot, "The run was resumed: attempt 2 goes on from step 200.")
        assert monitor.pace_s == 0.05 and not app.query_one(NextBar).display
        assert "RUNNING  step 201/1,000" in screen_text(app)

    watch(feed, act, ended_every_s=0.2)


def test_nothing_is_drawn_below_a_question_and_all_of_it_after() -> None:
    feed = live_feed()

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        await pilot.press("x")
        assert isinstance(app.screen, ConfirmScreen)
        feed.shown = observed(begun(*training(90)), "running")
        view = app.screen_stack[0].query_one(RunView)
        drawn: list[Picture] = []
        view.draw = drawn.append  # type: ignore[method-assign, assignment]
        seen = feed.looks
        await until(app, pilot, lambda: feed.looks > seen + 2)
        assert drawn == []
        del view.draw
        await pilot.press("escape")
        await until(app, pilot, "step 90/1,000")

    watch(feed, act)


def test_a_chart_that_lost_a_line_to_the_way_on_is_drawn_anew() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, "> [ What happened ]")
        await until(app, pilot, lambda: screen_lines(app)[15].endswith(" 1000"))

    watch(scene("finished"), act, ended_every_s=600)


def test_the_box_is_no_news_once_the_run_has_ended() -> None:
    feed = live_feed()
    full = replace(HOST, disk_free_gib=0.7)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, "WARN  The run's disk has 0.7 GiB left.")
        feed.shown = scene("stopped").shown
        await until(app, pilot, "STOPPED")
        await until(app, pilot, lambda: "WARN" not in screen_text(app))

    watch(feed, act, gauges=lambda: FakeGauges(host=full))


def test_a_run_that_cannot_be_read_is_said_and_comes_back() -> None:
    feed = live_feed()
    shown = feed.shown

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        feed.shown = TailfinError("The run folder /x is gone.", "It was removed.")
        await until(app, pilot, "FAIL  The run folder /x is gone. It was removed.")
        assert "> [ Home ]" in screen_text(app) and "step 60/1,000" in screen_text(app)
        assert "s save" not in screen_text(app) and "the run goes on" not in screen_text(app)
        feed.shown = shown
        await until(app, pilot, "q leaves, the run goes on")
        feed.shown = TailfinError("The run folder /x is gone.", "It was removed.")
        await until(app, pilot, "> [ Home ]")
        await pilot.press("enter")
        await until(app, pilot, lambda: isinstance(app.screen, HomeScreen))

    watch(feed, act)


def test_a_run_that_could_never_be_read_is_said() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, "FAIL  /x/events.jsonl could not be read: Permission denied.")
        assert "Check its owner." in screen_text(app)

    why = "/x/events.jsonl could not be read: Permission denied."
    watch(FakeFeed(TailfinError(why, "Check its owner.")), act)


def test_a_request_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "control").write_text("in the way")

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await settled(app, pilot)
        await pilot.press("s")
        await until(app, pilot, "could not be written")

    watch(live_feed(tmp_path), act)


def test_a_feed_of_another_state_is_drawn_without_a_crash() -> None:
    """One feed through every state, in one screen: no state leaves traces that break the next."""
    feed = live_feed()

    async def act(app: TailfinApp, pilot: Driver) -> None:
        for name in [*SCENES, *reversed(SCENES)]:
            made = scene(name)
            feed.shown, feed.lines = made.shown, made.lines
            await settled(app, pilot)
        feed.shown = replace(observed(begun(make_step(1)), "running"), status=fold_all([]))
        await until(app, pilot, "waiting for the worker's first word")

    watch(feed, act)
