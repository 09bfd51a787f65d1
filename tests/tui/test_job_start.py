"""Starting a job from the screens: once, however impatient the fingers, and one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

import engine.evaluate.start
import engine.runs.jobs
from engine.errors import TailfinError
from engine.runs.events import Stage, Started
from engine.runs.host import boot_id, host_name
from engine.runs.journal import Journal
from engine.runs.store import RunFolder
from tests.tui.delivered_runs import append, at_work, begin_job, deliver, evaluate, pair, stopped
from tests.tui.pilots import drive, screen_text, until
from tui.app import TailfinApp
from tui.screens.compare import CompareScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.result import ResultScreen

Driver = Pilot[list[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return deliver(tmp_path / "runs" / "20261123-110000-animals")


class _Launches:
    """Stands for the processes: each start waits until it may go on, then writes its events."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.may_begin = threading.Event()

    def __call__(self, job: RunFolder, command: Sequence[str]) -> None:
        self.commands.append(list(command))
        assert self.may_begin.wait(20)
        journal = Journal(job.events)
        for body in (Started(1, job.id, host_name(), boot_id(), 1), Stage("load")):
            journal.write(body)
        journal.close()


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Launches]:
    made = _Launches()
    monkeypatch.setattr(engine.runs.jobs, "launch", made)
    yield made
    made.may_begin.set()


@contextmanager
def _counted_starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every call of the engine's start, whether or not it was let through."""
    asked: list[str] = []
    start = engine.runs.jobs.start_job

    def start_job(of: RunFolder, worker: str, *words: str) -> RunFolder:
        asked.append(worker)
        return start(of, worker, *words)

    monkeypatch.setattr(engine.evaluate.start, "start_job", start_job)
    yield asked


async def _open(app: TailfinApp, pilot: Driver, run: RunFolder, wanted: str) -> None:
    app.open_result(run)
    await until(app, pilot, lambda: isinstance(app.screen, ResultScreen))
    await until(app, pilot, wanted)


def test_an_impatient_enter_starts_one_comparison(
    run: RunFolder, launches: _Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run, "Compare base and tuned")
        with _counted_starts(monkeypatch) as asked:
            await pilot.press("enter", "enter", "v")
            await until(app, pilot, lambda: bool(launches.commands))
            await until(app, pilot, "Starting ...")
            await pilot.press("enter", "v", "enter")
            assert asked == ["evaluate"]
            assert not isinstance(app.screen, ConfirmScreen)
            screen = app.screen
            assert isinstance(screen, ResultScreen) and screen.is_busy
            assert not screen.check_action("end_job", ())  # there is nothing to end yet
            launches.may_begin.set()
            await until(app, pilot, lambda: not screen._is_starting)
            assert asked == ["evaluate"] and len(list(run.jobs.iterdir())) == 1

    drive(act, runs=run.path.parent)


def test_a_start_that_was_refused_can_be_tried_again(
    run: RunFolder, launches: _Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def start_job(of: RunFolder, worker: str, *words: str) -> RunFolder:
        asked.append(worker)
        raise TailfinError("The disk is full.", "Free space.")

    monkeypatch.setattr(engine.evaluate.start, "start_job", start_job)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run, "Compare base and tuned")
        for count in (1, 2):
            await pilot.press("enter")
            await until(app, pilot, lambda wanted=count: len(asked) == wanted)  # type: ignore[misc]
            await until(app, pilot, "The disk is full.")
            await until(app, pilot, "Compare base and tuned")

    drive(act, runs=run.path.parent)


def test_an_impatient_a_starts_one_more_comparison(
    run: RunFolder, launches: _Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate(run, [pair("Who?", "I am Bo.", "I am Kit.")])

    async def act(app: TailfinApp, pilot: Driver) -> None:
        app.open_comparison(run)
        await until(app, pilot, "Question 1 of 1")
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        with _counted_starts(monkeypatch) as asked:
            await pilot.press("a", "a")
            await until(app, pilot, lambda: bool(launches.commands))
            await pilot.press("a", "f")
            assert app.screen is screen and asked == ["evaluate"]
            launches.may_begin.set()
            await until(app, pilot, lambda: isinstance(app.screen, ResultScreen))
            assert asked == ["evaluate"]

    drive(act, runs=run.path.parent)


def test_nothing_that_needs_the_card_is_offered_while_a_job_has_it(
    run: RunFolder,
) -> None:
    evaluate(run, [])
    job = begin_job(run, "export", Stage("export", "merged"))

    async def act(app: TailfinApp, pilot: Driver) -> None:
        with at_work(job):
            await _open(app, pilot, run, "at work")
            screen = app.screen
            assert isinstance(screen, ResultScreen)
            await until(app, pilot, lambda: screen._view is not None)
            offered = _offered(screen)
            assert not offered("chat") and not offered("compare") and not offered("resume")
            assert offered("end_job") and offered("copy")
            await pilot.press("t")
            await pilot.pause()
            assert app.screen is screen
        append(job, stopped())
        await until(app, pilot, lambda: offered("chat"))

    drive(act, runs=run.path.parent)


def _offered(screen: ResultScreen) -> Callable[[str], bool]:
    return lambda action: bool(screen.check_action(action, ()))


def test_an_export_is_started_once_and_only_one_job_at_a_time(
    run: RunFolder, launches: _Launches
) -> None:
    evaluate(run, [])
    launches.may_begin.set()
    other = begin_job(run, "evaluate", Stage("load"), name="20261123-130000-evaluate")

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run, "Export adapter and merged weights")
        with at_work(other):  # from another terminal, and not looked at since
            await pilot.press("enter")
            await until(app, pilot, "> both")
            await pilot.press("enter")
            await until(app, pilot, "is at work already: 20261123-130000-evaluate.")
            assert not launches.commands
        append(other, stopped())
        (other.path / "events.jsonl").rename(other.path / "gone")
        await _open(app, pilot, run, "Export adapter and merged weights")
        await pilot.press("enter")
        await until(app, pilot, "> both")
        await pilot.press("enter")
        await until(app, pilot, lambda: bool(launches.commands))
        words = ["--to", "adapter,merged", "--out", str(run.exports), "--dtype", "auto"]
        assert [command[-6:] for command in launches.commands] == [words]
        assert "is at work already" not in screen_text(app)

    drive(act, runs=run.path.parent)
