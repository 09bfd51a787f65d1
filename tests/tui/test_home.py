"""Home: what stands in the list, and where Enter leads from each state of a run."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.bundled import bundled
from engine.runs.events import Failed, Finished, Stopped
from engine.runs.skim import Skimmed, Skimmer
from engine.runs.state import observe
from engine.runs.store import RunFolder
from tests.live_run import LiveRun
from tests.runs.ended_run import a_plan, end_with, write_spec
from tests.runs.script import evaluated, step
from tests.tui.pilots import drive, screen_lines, screen_text, until
from tui import runs_view
from tui.app import TailfinApp
from tui.options import Opening, Options
from tui.runs_view import RunsView, RunsWatcher
from tui.screens.failure import FailureScreen
from tui.screens.monitor import MonitorScreen
from tui.screens.result import ResultScreen
from tui.screens.wizard import WizardScreen
from tui.widgets.rows import Rows


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of the folder the tests were started in stay out of the list."""
    monkeypatch.chdir(tmp_path)


def _failed(runs: Path, name: str) -> RunFolder:
    run = RunFolder(runs / name)
    write_spec(run)
    oom = Failed("oom", "backward", "Memory ran out.", "Resume.", step=3, exit_code=3)
    end_with(run, a_plan(), *(step(n, 6.0 / n) for n in range(1, 4)), oom)
    return run


def test_an_empty_home_offers_a_run_and_the_demo(tmp_path: Path) -> None:
    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "Demo")
        await pilot.press("down", "enter")
        await until(app, pilot, lambda: isinstance(app.screen, WizardScreen))
        await until(app, pilot, "1 box")

    drive(act, runs=tmp_path / "runs")


def test_runs_of_every_state_stand_side_by_side(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(bundled("samples") / "run", runs / "20260101-000000-good")
    _failed(runs, "20260102-000000-failed")
    stopped = RunFolder(runs / "20260103-000000-stopped")
    write_spec(stopped)
    end_with(stopped, a_plan(), step(1), evaluated(1, 2.5), Stopped(1, "It was asked to stop."))
    (runs / "20260104-000000-torn").mkdir()
    (runs / "20260104-000000-torn" / "events.jsonl").write_bytes(b'{"v":1,"seq"\x00garbage\n')

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "good")
        shown = {line.split()[0]: line for line in screen_lines(app) if "2026010" in line[:10]}
        assert "finished" in shown["20260101-000000-good"]
        assert "125/125" in shown["20260101-000000-good"]
        assert "0.0525" in shown["20260101-000000-good"]
        assert "failed" in shown["20260102-000000-failed"]
        assert "stopped" in shown["20260103-000000-stopped"]
        assert "2.5000" in shown["20260103-000000-stopped"]
        assert "crashed" in screen_text(app)

    drive(act, runs=runs)


def test_a_live_run_moves_and_a_new_one_appears(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with LiveRun(runs / "20260101-000000-live", steps_per_s=20, steps_before=3):

        async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
            await until(app, pilot, "running")

            def steps() -> int:
                line = next(line for line in screen_lines(app) if "-live" in line)
                return int(line.split("/")[0].split()[-1])

            before = steps()
            await until(app, pilot, lambda: steps() > before)
            _failed(runs, "20260102-000000-second")
            await until(app, pilot, "second")
            await pilot.press("enter")
            await until(app, pilot, lambda: isinstance(app.screen, MonitorScreen))

        drive(act, runs=runs)


def test_enter_leads_where_a_run_stands(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    done = RunFolder(runs / "20260101-000000-done")
    write_spec(done)
    done.adapter.mkdir()
    (done.adapter / "adapter_model.safetensors").write_bytes(b"x" * 100)
    end_with(done, a_plan(), step(1), Finished(1, "adapter", "Trained 1 step."))
    _failed(runs, "20260102-000000-failed")

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "done")
        rows = app.screen.query_one(Rows)
        rows.choose(str(runs / "20260102-000000-failed"))
        await pilot.press("enter")
        await until(app, pilot, lambda: isinstance(app.screen, FailureScreen))
        await pilot.press("escape")
        await until(app, pilot, "done")
        app.screen.query_one(Rows).choose(str(done.path))
        await pilot.press("enter")
        await until(app, pilot, lambda: isinstance(app.screen, ResultScreen))

    drive(act, runs=runs)


def test_only_what_applies_is_offered(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    _failed(runs, "20260102-000000-failed")

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "failed")
        rows = app.screen.query_one(Rows)
        rows.choose(str(runs / "20260102-000000-failed"))
        await until(app, pilot, lambda: "r resume" in screen_lines(app)[-1])
        rows.choose("+new")
        await until(app, pilot, lambda: "r resume" not in screen_lines(app)[-1])
        await pilot.press("r")  # and the key itself does nothing
        await pilot.pause()
        assert "New run" in screen_text(app)

    drive(act, runs=runs)


def test_two_folders_of_runs_are_listed_under_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failed(tmp_path / "runs", "20260102-000000-here")
    _failed(tmp_path / "other", "20260101-000000-there")
    monkeypatch.setenv("HOME", str(tmp_path))

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "there")
        text = screen_text(app)
        assert "~/other" in text and "~/runs" in text and "here" in text

    drive(act, runs=tmp_path / "other")


def test_escapes_and_markup_in_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    _failed(runs, "20260102-[red]\x1b[31m")

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "20260102-[red]\\x1b[31m")

    drive(act, runs=runs)


def test_coming_home_shows_the_list_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    _failed(runs, "20260102-000000-known")
    let_go = threading.Event()
    look = RunsWatcher.look

    def wait(watcher: RunsWatcher, tell: Callable[[RunsView], None] | None = None) -> RunsView:
        let_go.wait(20)
        return look(watcher, tell)

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "00-known")
        await pilot.press("n")
        await until(app, pilot, lambda: isinstance(app.screen, WizardScreen))
        monkeypatch.setattr(RunsWatcher, "look", wait)
        app.go_home()
        try:
            await until(app, pilot, "00-known", timeout_s=5)
        finally:
            let_go.set()

    drive(act, runs=runs)


def test_the_list_so_far_stands_while_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    for name in ("one", "two", "three"):
        _failed(runs, f"20260102-000000-{name}")
    monkeypatch.setattr(runs_view, "_TELL_FIRST_S", 0.0)
    let_go = threading.Event()
    look = Skimmer.look

    def slow(skimmer: Skimmer) -> Skimmed:
        if not skimmer.run.id.endswith("two"):
            let_go.wait(20)
        return look(skimmer)

    monkeypatch.setattr(Skimmer, "look", slow)

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        try:
            await until(app, pilot, "reading 1 of 3 runs")
            assert "20260102-000000-two" in screen_text(app)
        finally:
            let_go.set()
        await until(app, pilot, "-one")
        assert "reading" not in screen_lines(app)[0]

    drive(act, runs=runs)


def test_how_long_ago_is_drawn_anew_while_nothing_happens(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    run = _failed(runs, "20260102-000000-failed")
    ended = observe(run).status.last_time
    now = [ended + 5]
    app = TailfinApp(Opening(), Options(runs=str(runs)), clock=lambda: now[0])

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "last event just now")
        now[0] = ended + 7300
        await until(app, pilot, "last event 2 h ago", timeout_s=5)

    drive(act, app=app)
