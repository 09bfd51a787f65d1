"""Feeds: a live folder and what may happen to it; a recorded run at any speed."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.runs.events import Exited, Failed, Finished, Stopped
from engine.runs.store import RunFolder
from tests.runs.script import Script, started, step
from tests.tui.scenes import begun, make_step, training
from tui.feed import LiveFeed, ReplayFeed


class Clock:
    """Goes on when told."""

    def __init__(self) -> None:
        self.now = 500.0

    def __call__(self) -> float:
        return self.now


def _recorded(folder: Path, script: Script) -> RunFolder:
    run = RunFolder(folder)
    script.write(run.events)
    return run


def _replay(tmp_path: Path, *, speed: float = 10.0) -> tuple[ReplayFeed, Clock]:
    """A hundred steps, one event a second: five before them and the end behind."""
    steps = [make_step(n) for n in range(1, 101)]
    run = _recorded(tmp_path, begun(*steps, Finished(100, "adapter", "It is done.")))
    clock = Clock()
    feed = ReplayFeed(run, speed=speed, clock=clock)
    feed.look()  # the recording is read on the first look
    return feed, clock


def test_a_recording_plays_as_fast_as_asked(tmp_path: Path) -> None:
    feed, clock = _replay(tmp_path)
    assert feed.look().state == "starting"
    clock.now += 3.0
    seen = feed.look()
    assert (seen.state, seen.status.step) == ("running", 25)
    assert feed.moment(0) == pytest.approx(1_000_030.0)
    assert feed.log(2) == [line for line in feed.log(100) if "step 24" in line or "step 25" in line]


def test_it_ends_where_the_recording_ends(tmp_path: Path) -> None:
    feed, clock = _replay(tmp_path)
    clock.now += 1000
    seen = feed.look()
    assert (seen.state, seen.message) == ("finished", "It is done.")
    assert seen.status.step == 100 and feed.at_end
    assert feed.moment(0) == 1_000_106.0
    assert feed.log(1) == ["finished: It is done."]


def test_a_pause_holds_it(tmp_path: Path) -> None:
    feed, clock = _replay(tmp_path)
    clock.now += 2.0
    feed.pause()
    held = feed.look().status.step
    clock.now += 60
    assert feed.look().status.step == held and feed.is_paused
    feed.pause()
    clock.now += 1.0
    assert feed.look().status.step == held + 10


def test_a_change_of_speed_counts_from_its_moment(tmp_path: Path) -> None:
    feed, clock = _replay(tmp_path)
    clock.now += 2.0
    feed.faster(2)
    assert feed.speed == 20
    before = feed.look().status.step
    clock.now += 1.0
    assert feed.look().status.step == before + 20
    for _ in range(30):
        feed.faster(2)
    assert feed.speed == 10_000
    for _ in range(60):
        feed.faster(0.5)
    assert feed.speed == 1


def test_the_end_can_be_shown_at_once_and_the_beginning_again(tmp_path: Path) -> None:
    feed, clock = _replay(tmp_path, speed=40)
    feed.pause()
    feed.to_end()
    assert feed.look().state == "finished"
    feed.restart()
    assert feed.look().state == "starting" and feed.speed == 40 and not feed.is_paused
    assert not any("step" in line and "loss" in line for line in feed.log(50))
    clock.now += 1.0
    assert feed.look().status.step == 35


def test_speed_zero_begins_at_the_end(tmp_path: Path) -> None:
    run = _recorded(tmp_path, begun(make_step(1)))
    assert ReplayFeed(run, speed=0).look().status.step == 1


@pytest.mark.parametrize(
    ("last", "state", "message"),
    [
        (Stopped(1, "It was asked to stop."), "stopped", "It was asked to stop."),
        (Failed("oom", "forward", "No memory.", "h"), "failed", "No memory."),
        (Exited(-9, "SIGKILL", 0, "Killed."), "crashed", "Killed."),
        (step(2), "crashed", "The recording ends here; the run left no last word."),
    ],
)
def test_every_ending_is_the_recorded_one(
    tmp_path: Path, last: Stopped | Failed | Exited, state: str, message: str
) -> None:
    run = _recorded(tmp_path, Script().add(started(), step(1), last))
    seen = ReplayFeed(run, speed=0).look()
    assert (seen.state, seen.message) == (state, message)


def test_an_empty_recording_is_said(tmp_path: Path) -> None:
    with pytest.raises(TailfinError, match="Nothing is recorded"):
        ReplayFeed(_recorded(tmp_path, Script())).look()


def test_keys_may_be_pressed_while_it_is_read(tmp_path: Path) -> None:
    run = _recorded(tmp_path, begun(*training(900)))
    feed = ReplayFeed(run, speed=10_000)
    stop = threading.Event()

    def press() -> None:
        while not stop.is_set():
            feed.restart()
            feed.faster(0.5)
            feed.to_end()

    thread = threading.Thread(target=press)
    thread.start()
    for _ in range(30):
        steps = [s.step for s in feed.look().status.steps]
        assert steps == list(range(1, len(steps) + 1))
    stop.set()
    thread.join()


def test_a_live_feed_reads_what_was_appended(tmp_path: Path) -> None:
    script = begun(make_step(1))
    run = _recorded(tmp_path, script)
    feed = LiveFeed(run)
    assert feed.look().status.step == 1
    script.add(make_step(2)).write(run.events)
    assert feed.look().status.step == 2
    run.worker_log.write_text("a\nb\nc\n")
    assert feed.log(2) == ["b", "c"] and feed.moment(7.0) == 7.0


def test_a_folder_that_was_removed_is_said(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    run = _recorded(tmp_path / "run", begun(make_step(1)))
    feed = LiveFeed(run)
    feed.look()
    shutil.rmtree(run.path)
    with pytest.raises(TailfinError, match="folder is gone") as caught:
        feed.look()
    assert caught.value.hint
    assert feed.log(5) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_log_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    run = _recorded(tmp_path, begun(make_step(1)))
    run.events.chmod(0)
    with pytest.raises(TailfinError, match="could not be read"):
        LiveFeed(run).look()


def test_a_log_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.events.mkdir()
    with pytest.raises(TailfinError, match="could not be read"):
        LiveFeed(run).look()
