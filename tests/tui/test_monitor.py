"""The monitor: what it shows of every state, what its keys do, and what it never does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

import tui.app
from engine.errors import TailfinError
from engine.runs.acts import pending
from engine.runs.events import Acted, Finished
from engine.runs.state import LIVE, Observed
from engine.runs.status import fold_all
from engine.runs.store import RunFolder
from tests.runs.script import Script, started
from tests.tui.pilots import Act, drive, screen_lines, screen_text, until
from tests.tui.scenes import (
    HOST,
    PLAN,
    RUN,
    SCENES,
    START,
    FakeFeed,
    FakeGauges,
    begun,
    last_time,
    make_step,
    observed,
    scene,
    training,
)
from tui.app import TailfinApp
from tui.draw.run_head import WORDS
from tui.feed import Feed, ReplayFeed
from tui.lookout import Picture
from tui.options import Opening, Options
from tui.panes.run_view import RunView
from tui.screens.confirm import ConfirmScreen
from tui.screens.help import HelpScreen
from tui.screens.home import HomeScreen
from tui.screens.monitor import MonitorScreen
from tui.screens.watching import Meter
from tui.widgets.next_bar import NextBar

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


def _watch(feed: Feed, act: Act, *, size: tuple[int, int] = (80, 24), **how: Any) -> Watching:
    app = Watching(feed, **how)
    drive(act, size=size, app=app)
    return app


def _live(folder: Path | None = None, steps: int = 60) -> FakeFeed:
    feed = FakeFeed(observed(begun(*training(steps)), "running"), ["a line of log"])
    feed.run = RunFolder(folder) if folder is not None else RUN
    return feed


async def _settled(app: TailfinApp, pilot: Driver) -> None:
    """What is shown is all that is known: two looks came after the box was read."""
    await until(app, pilot, lambda: "reading the gauges" not in screen_text(app))
    feed = _monitor(app).feed
    if isinstance(feed, FakeFeed):
        seen = feed.looks
        await until(app, pilot, lambda: feed.looks >= seen + 2)
    await pilot.pause()


def _monitor(app: TailfinApp) -> MonitorScreen:
    assert isinstance(app.screen, MonitorScreen)
    return app.screen


# What is shown


@pytest.mark.parametrize("name", SCENES)
def test_every_state_is_drawn_at_every_size(name: str) -> None:
    feed = scene(name)
    assert isinstance(feed.shown, Observed)
    status, state = feed.shown.status, feed.shown.state

    async def act(app: TailfinApp, pilot: Driver) -> None:
        for size in ((80, 24), (60, 16), (120, 40), (200, 50)):
            await pilot.resize_terminal(*size)
            await _settled(app, pilot)
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

    _watch(feed, act)


def test_ascii_mode_is_ascii() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        for size in ((80, 24), (120, 40)):
            await pilot.resize_terminal(*size)
            await _settled(app, pilot)
            assert screen_text(app).isascii()

    _watch(scene("running"), act, options=Options(ascii_only=True))


def test_nothing_of_a_log_is_obeyed_by_the_terminal() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
        text = screen_text(app)
        assert "\x1b" not in text and "\\x1b[31mred" in text and "数据集" in text

    _watch(scene("foreign"), act)


def test_a_resize_moves_the_numbers_beside_the_chart() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
        narrow = screen_lines(app)
        await pilot.resize_terminal(120, 40)
        await until(app, pilot, "rows     5,000")
        assert "loss " in screen_lines(app)[3] and "smoothed" in screen_lines(app)[3]
        await pilot.resize_terminal(80, 24)
        await until(app, pilot, lambda: screen_lines(app) == narrow)

    _watch(scene("running"), act)


def test_the_chart_can_show_something_else_and_in_powers_of_ten() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
        legends = []
        for _ in range(4):
            legends.append(screen_lines(app)[9].strip())
            await pilot.press("m")
            await _settled(app, pilot)
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

    _watch(scene("running"), act)


# How often it looks


def test_a_look_that_hangs_is_not_asked_twice_and_is_named() -> None:
    feed, gate = _live(), threading.Event()
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

    _watch(feed, act)


def test_a_first_look_that_takes_long_is_said() -> None:
    feed, gate = _live(), threading.Event()
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

    _watch(feed, act)


def test_over_a_slow_link_it_looks_half_as_often() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
        assert _monitor(app).pace_s == 0.1

    _watch(_live(), act, options=Options(slow_link=True))


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

    _watch(_live(), act, gauges=Hung)


def test_the_gauges_are_let_go() -> None:
    gauges = FakeGauges()

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
        app.go_home()
        await until(app, pilot, lambda: gauges.is_closed)

    _watch(_live(), act, gauges=lambda: gauges)


def test_after_the_end_it_looks_less_often_but_notices_a_resume() -> None:
    feed = scene("stopped")

    async def act(app: TailfinApp, pilot: Driver) -> None:
        monitor = _monitor(app)
        await until(app, pilot, "STOPPED")
        assert monitor.pace_s == 0.2 and app.query_one(NextBar).has_focus
        script = begun(*training(200)).add(started(2, 200), PLAN, make_step(201, elapsed_s=2.0))
        feed.shown = observed(script, "running")
        await until(app, pilot, "The run was resumed: attempt 2 goes on from step 200.")
        assert monitor.pace_s == 0.05 and not app.query_one(NextBar).display
        assert "RUNNING  step 201/1,000" in screen_text(app)

    _watch(feed, act, ended_every_s=0.2)


def test_nothing_is_drawn_below_a_question_and_all_of_it_after() -> None:
    feed = _live()

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
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

    _watch(feed, act)


def test_a_chart_that_lost_a_line_to_the_way_on_is_drawn_anew() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, "> [ What happened ]")
        await until(app, pilot, lambda: screen_lines(app)[15].endswith(" 1000"))

    _watch(scene("finished"), act, ended_every_s=600)


def test_the_box_is_no_news_once_the_run_has_ended() -> None:
    feed = _live()
    full = replace(HOST, disk_free_gib=0.7)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, "WARN  The run's disk has 0.7 GiB left.")
        feed.shown = scene("stopped").shown
        await until(app, pilot, "STOPPED")
        await until(app, pilot, lambda: "WARN" not in screen_text(app))

    _watch(feed, act, gauges=lambda: FakeGauges(host=full))


# What goes wrong


def test_a_run_that_cannot_be_read_is_said_and_comes_back() -> None:
    feed = _live()
    shown = feed.shown

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
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

    _watch(feed, act)


def test_a_run_that_could_never_be_read_is_said() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, "FAIL  /x/events.jsonl could not be read: Permission denied.")
        assert "Check its owner." in screen_text(app)

    why = "/x/events.jsonl could not be read: Permission denied."
    _watch(FakeFeed(TailfinError(why, "Check its owner.")), act)


def test_a_request_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "control").write_text("in the way")

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
        await pilot.press("s")
        await until(app, pilot, "could not be written")

    _watch(_live(tmp_path), act)


# Acts


def test_save_asks_the_run_and_shows_its_answer(tmp_path: Path) -> None:
    feed = _live(tmp_path)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
        await pilot.press("s")
        await until(app, pilot, "INFO  A checkpoint was asked for")
        await until(app, pilot, lambda: bool(pending(feed.run)))
        [asked] = pending(feed.run)
        assert asked.name == "save"
        said = Acted(asked.id, "save", True, "Saved checkpoints/checkpoint-61.")
        feed.shown = observed(begun(*training(61), said), "running")
        await until(app, pilot, "save: Saved checkpoints/checkpoint-61.")

    _watch(feed, act)


def test_stop_asks_first_and_no_is_the_safe_answer(tmp_path: Path) -> None:
    feed = _live(tmp_path)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
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

    _watch(feed, act)


def test_keys_that_ask_something_of_a_run_are_there_only_while_it_lives() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
        assert "s save" not in screen_lines(app)[-1] and "x stop" not in screen_lines(app)[-1]
        await pilot.press("x", "s")
        assert isinstance(app.screen, MonitorScreen)

    _watch(scene("finished"), act)


# Ways out and on


def test_leaving_says_how_to_come_back() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
        await pilot.press("q")

    app = _watch(_live(), act)
    assert app.return_value == [
        "20261123-180000-support-bot goes on.",
        "  Come back: tailfin attach /runs/20261123-180000-support-bot",
        "  End it:    tailfin stop /runs/20261123-180000-support-bot",
    ]


def test_leaving_what_has_ended_says_nothing() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
        await pilot.press("q")

    assert _watch(scene("finished"), act).return_value == []


def test_going_home_takes_the_words_along() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
        assert app.last_words
        await pilot.press("escape")
        await until(app, pilot, lambda: isinstance(app.screen, HomeScreen))
        await until(app, pilot, lambda: not app.last_words)

    _watch(_live(), act)


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

    assert _watch(feed, act).opened == [(opened, feed.run)]


def test_all_notices_can_be_read() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
        await pilot.press("n")
        await until(app, pilot, lambda: isinstance(app.screen, HelpScreen))
        text = screen_text(app)
        assert "WARN  12.4 % of rows" in text and "INFO  Rows are cut" in text

    _watch(scene("notices"), act)


def test_help_explains_the_numbers_and_lists_the_keys() -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _settled(app, pilot)
        await pilot.press("question_mark")
        await until(app, pilot, "smoothed over about the last sqrt(n)")
        for key in ("s ", "x ", "m ", "l ", "Esc ", "q "):
            assert any(line.strip().startswith(key) for line in screen_lines(app))

    _watch(scene("running"), act, size=(80, 50))


# Recorded runs


def _recording(folder: Path) -> ReplayFeed:
    run = RunFolder(folder)
    script: Script = begun(*training(300), Finished(300, "adapter", "It is done."))
    script.write(run.events)
    return ReplayFeed(run, speed=20.0, clock=lambda: 0.0)


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

    _watch(feed, act)


def test_a_recording_that_is_empty_is_said(tmp_path: Path) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, "FAIL  Nothing is recorded in")

    _watch(ReplayFeed(RunFolder(tmp_path)), act)


def test_a_feed_of_another_state_is_drawn_without_a_crash() -> None:
    """One feed through every state, in one screen: no state leaves traces that break the next."""
    feed = _live()

    async def act(app: TailfinApp, pilot: Driver) -> None:
        for name in [*SCENES, *reversed(SCENES)]:
            made = scene(name)
            feed.shown, feed.lines = made.shown, made.lines
            await _settled(app, pilot)
        feed.shown = replace(observed(begun(make_step(1)), "running"), status=fold_all([]))
        await until(app, pilot, "waiting for the worker's first word")

    _watch(feed, act)
