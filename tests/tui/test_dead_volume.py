"""Screens while the current folder is gone, or no disk answers: they ask neither."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from textual.pilot import Pilot

import engine.runs.store
from engine.runs.events import Failed
from engine.runs.state import log_tail
from engine.runs.store import RunFolder
from tests.live_run import LiveRun
from tests.tui.delivered_runs import deliver
from tests.tui.pilots import drive, until
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.draft import demo_draft
from tui.options import Opening, Options
from tui.screens.failure import FailureScreen
from tui.screens.result import ResultScreen

Driver = Pilot[list[str]]


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be removed while the screens are open; runs lie in another one."""
    monkeypatch.setenv("TAILFIN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_the_monitor_outlives_its_current_folder(tmp_path: Path, gone: Path) -> None:
    with LiveRun(tmp_path / "runs" / "my run") as live:
        app = TailfinApp(Opening("attach", live.run), Options())

        async def act(app: TailfinApp, pilot: Driver) -> None:
            gone.rmdir()
            await until(app, pilot, lambda: bool(app.last_words))
            assert app.last_words[1] == "  Come back: tailfin attach 'my run'"
            await pilot.press("x")
            await until(app, pilot, "tailfin resume 'my run'")

        drive(act, app=app)


def test_the_result_names_the_run_for_a_shell(tmp_path: Path, gone: Path) -> None:
    run = deliver(tmp_path / "runs" / "my run")

    async def act(app: TailfinApp, pilot: Driver) -> None:
        gone.rmdir()
        app.open_result(run)
        await until(app, pilot, lambda: isinstance(app.screen, ResultScreen))
        await until(app, pilot, "Compare base and tuned")
        await pilot.press("up", "end")
        await until(app, pilot, "tailfin chat 'my run'")

    drive(act, size=(120, 50), app=TailfinApp(Opening(), Options()))


def test_no_draw_of_the_review_looks_for_the_runs_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they lie on may not answer any more: that is found out in threads alone."""
    app = WizardApp(demo_draft(), "review", runs=tmp_path)
    asked: list[str] = []

    def statvfs_or_realpath(*_: object) -> str:
        asked.append("a disk")
        return str(tmp_path)

    monkeypatch.setattr(engine.runs.store, "runs_root", statvfs_or_realpath)
    monkeypatch.setattr(engine.runs.store, "all_roots", lambda *_: asked.append("roots"))
    monkeypatch.setattr("tui.panes.review.runs_root", statvfs_or_realpath)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, str(os.path.basename(tmp_path))[:10])
        asked.clear()
        await pilot.press("c")
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert not asked

    drive(act, app=app)


def test_what_a_disk_is_asked_for_by_a_key_is_asked_in_a_thread(
    tmp_path: Path, gone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs, and whether there is a result: the loop goes on while the volume does not answer."""
    good = deliver(tmp_path / "runs" / "20260101-000000-good")
    bad = deliver(tmp_path / "runs" / "20260102-000000-bad", last=Failed("crash", "save", "x", "y"))
    bad.worker_log.write_text("its last words\n", encoding="utf-8")
    on_loop: list[str] = []

    def seen(name: str) -> None:
        if threading.current_thread() is threading.main_thread():
            on_loop.append(name)

    def result(run: RunFolder) -> Path | None:
        seen("result")
        return run.adapter if run.adapter.is_dir() else None

    def tail(run: RunFolder, lines: int) -> list[str]:
        seen("log")
        return log_tail(run, lines)

    monkeypatch.setattr(RunFolder, "result", property(result))
    monkeypatch.setattr("tui.screens.reading.log_tail", tail)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await until(app, pilot, "20260101-000000-good")
        await pilot.press("down", "enter")
        await until(app, pilot, lambda: isinstance(app.screen, ResultScreen))
        app.open_run(good)
        await until(app, pilot, "> [ Result ]")
        await pilot.press("enter")
        await until(app, pilot, lambda: isinstance(app.screen, ResultScreen))
        app.open_failure(bad)
        await until(app, pilot, lambda: isinstance(app.screen, FailureScreen))
        await pilot.press("l")
        await until(app, pilot, "its last words")
        assert not on_loop

    drive(act, app=TailfinApp(Opening(), Options()))
