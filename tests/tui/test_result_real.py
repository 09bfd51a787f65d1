"""The same screens over real workers: an export to its end, a comparison, and a chat."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import psutil
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine.runs.store import RunFolder
from tests.export.trained_run import make_base, make_run
from tests.tui.pilots import drive, screen_text, until
from tui.app import TailfinApp
from tui.screens.chat import ChatScreen
from tui.screens.result import ResultScreen
from tui.widgets.next_bar import NextBar
from tui.widgets.rows import Rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Driver = Pilot[list[str]]
_WORK_S = 120.0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    root = tmp_path_factory.mktemp("real")
    return make_run(root / "runs" / "20261123-110000-tiny", make_base(root / "base"), "lora")


def _sessions() -> list[psutil.Process]:
    """Chat sessions that this very process started."""
    found = []
    for child in psutil.Process(os.getpid()).children():
        with contextlib.suppress(psutil.Error):  # a job's supervisor that has ended
            found += [child] if "serve" in child.cmdline() else []
    return found


async def _on_bar(app: TailfinApp, pilot: Driver, words: str) -> None:
    def is_there() -> bool:
        bars = app.screen.query(NextBar)
        return bool(bars) and words in bars.first().text

    await until(app, pilot, is_there, _WORK_S)


def test_compare_export_and_chat_by_enter_alone(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.path.parent.parent)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        app.open_result(run)
        await _on_bar(app, pilot, "Compare base and tuned")
        await pilot.press("enter")
        await until(app, pilot, "AT WORK  comparison", _WORK_S)
        await pilot.press("escape")  # it goes on without the screen
        app.open_result(run)
        await _on_bar(app, pilot, "See base against tuned")
        await pilot.press("enter")
        await until(app, pilot, "Question 1 of 5")
        await pilot.press("enter")
        await _on_bar(app, pilot, "Export adapter and merged weights")
        await pilot.press("enter")
        await until(app, pilot, "> both")
        await pilot.press("enter")
        await until(app, pilot, "AT WORK  export", _WORK_S)
        await _on_bar(app, pilot, "Chat with the tuned model")
        rows = app.screen.query_one(Rows).rows
        page = "\n".join("".join(text for text, _ in row.drawn) for row in rows)
        assert "adapter   OK" in page and "merged    OK" in page
        assert (run.exports / "merged" / "model.safetensors").is_file()
        await pilot.press("enter")
        await _chat(app, pilot)

    drive(act, runs=run.path.parent)


async def _chat(app: TailfinApp, pilot: Driver) -> None:
    await until(app, pilot, "Ready on cpu", _WORK_S)
    assert len(_sessions()) == 1
    await pilot.press("enter")  # the first held-out question
    await until(app, pilot, "tuned is answering", _WORK_S)
    assert isinstance(app.screen, ChatScreen)
    await until(app, pilot, lambda: not _is_answering(app), _WORK_S)
    # Random weights never end an answer, so this one is under way until it is cancelled.
    for typed in ("/limit 100000", "And then?"):
        app.screen.query_one(Input).value = typed
        await pilot.press("enter")
    began = time.monotonic()
    await until(app, pilot, "tuned is answering", _WORK_S)
    await pilot.press("escape")
    await until(app, pilot, "(cancelled)")
    assert time.monotonic() - began < 5
    app.screen.query_one(Input).value = "/limit 3"
    await pilot.press("enter")
    app.screen.query_one(Input).value = "Once more?"
    await pilot.press("enter")
    await until(app, pilot, "cut off at 3 tokens", _WORK_S)
    session = _sessions()[0]
    session.kill()
    await until(app, pilot, "ended unexpectedly (exit code -9)")
    await pilot.press("enter")  # starts another one
    await until(app, pilot, "Ready on cpu", _WORK_S)
    (again,) = _sessions()
    assert again.pid != session.pid
    await pilot.press("escape")
    await until(app, pilot, lambda: isinstance(app.screen, ResultScreen))
    gone, alive = psutil.wait_procs([again], timeout=10)
    assert gone and not alive
    await _on_bar(app, pilot, "Home")
    assert "Traceback" not in screen_text(app)


def _is_answering(app: TailfinApp) -> bool:
    return isinstance(app.screen, ChatScreen) and app.screen.is_answering


def test_a_comparison_is_ended_by_x(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.path.parent.parent)
    before: set[Path] = set(run.jobs.iterdir()) if run.jobs.is_dir() else set()

    async def act(app: TailfinApp, pilot: Driver) -> None:
        app.open_result(run)
        await _on_bar(app, pilot, "[")
        screen = app.screen
        assert isinstance(screen, ResultScreen)
        await until(app, pilot, lambda: screen._view is not None)
        screen._compare()
        await until(app, pilot, "x end the job", _WORK_S)
        await pilot.press("x")
        await until(app, pilot, "End the comparison?")
        await pilot.press("y")
        await until(app, pilot, "The comparison was ended.", _WORK_S)

    drive(act, runs=run.path.parent)
    assert len(set(run.jobs.iterdir()) - before) == 1
