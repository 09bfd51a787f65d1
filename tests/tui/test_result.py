"""The result screen: what was delivered, the next thing to do, and jobs that are found again."""

from __future__ import annotations

import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from engine.runs.acts import pending
from engine.runs.events import Evaluated, Failed, Finished, Progress, Stage
from engine.runs.store import RunFolder
from tests.tui.delivered_runs import (
    append,
    at_work,
    begin_job,
    deliver,
    evaluate,
    export,
    pair,
    stopped,
)
from tests.tui.pilots import drive, screen_lines, screen_text, until
from tui.app import TailfinApp
from tui.job_watch import JobWatcher
from tui.result_view import read_result
from tui.screens.chat import ChatScreen
from tui.screens.compare import CompareScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.export import ExportScreen
from tui.screens.home import HomeScreen
from tui.screens.questions import QuestionsScreen
from tui.screens.result import ResultScreen
from tui.widgets.next_bar import NextBar
from tui.widgets.rows import Rows

Driver = Pilot[list[str]]
SIZES = [(60, 16), (80, 24), (120, 40)]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return deliver(tmp_path / "runs" / "20261123-110000-animals")


def _bar(app: TailfinApp) -> str:
    bars = app.screen.query(NextBar)
    return bars.first().text if bars else ""


def _shows(app: TailfinApp, screen: type[Screen[Any]]) -> bool:
    return isinstance(app.screen, screen)


def _page(app: TailfinApp) -> str:
    """The whole page, what is scrolled away too."""
    rows = app.screen.query_one(Rows).rows
    return "\n".join("".join(text for text, _ in row.drawn).rstrip() for row in rows)


def _flat(app: TailfinApp) -> str:
    return " ".join(_page(app).split())


async def _open(app: TailfinApp, pilot: Driver, run: RunFolder, wanted: str) -> None:
    app.open_result(run)
    await until(app, pilot, lambda: isinstance(app.screen, ResultScreen) and wanted in _bar(app))


@pytest.mark.parametrize("size", SIZES)
def test_it_says_what_was_trained_where_it_lies_and_the_commands(
    run: RunFolder, size: tuple[int, int]
) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run, "Compare base and tuned")
        page = _flat(app)
        assert "4,000 trained on, 6 held out" in page
        assert "lora, rank 4" in page and "1.00% trained" in page
        assert "held-out 2.5000 base -> 0.5000 tuned, at step 10" in page
        assert "adapter_model.safetensors 3.0 MiB" in page
        whole = "".join(_page(app).split())
        assert str(run.adapter) in whole and f"tailfineval{run.id}" in whole
        assert f"tailfinexport{run.id}--toadapter,merged" in whole
        assert "scp" in page
        assert "FINISHED" in screen_lines(app)[0]
        assert all(len(line) <= size[0] for line in screen_lines(app))
        assert len(app.screen.query("*")) < 60

    drive(act, size=size, runs=run.path.parent)


def test_enter_leads_from_stage_to_stage(run: RunFolder) -> None:
    """Each is offered once the one before is done: compare, export, chat, home."""

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run, "Compare base and tuned")
        evaluate(run, [pair("Why?", "Because.", "Fin says.")])
        await _open(app, pilot, run, "Export adapter and merged weights")
        export(run, "adapter")
        await _open(app, pilot, run, "Export merged weights")
        await pilot.press("enter")
        await until(app, pilot, lambda: isinstance(app.screen, ExportScreen))
        await until(app, pilot, "> merged")
        await pilot.press("escape")
        export(run, "merged")
        await _open(app, pilot, run, "Chat with the tuned model")
        app.open_result(run, has_chatted=True)
        await until(app, pilot, lambda: "Home" in _bar(app) and "OK" in _page(app))
        await pilot.press("enter")
        await until(app, pilot, lambda: isinstance(app.screen, HomeScreen))

    drive(act, runs=run.path.parent)


def test_the_keys_lead_where_they_say(run: RunFolder) -> None:
    evaluate(run, [pair("Why?", "Because.", "Fin says.")])
    ways: dict[str, type[Screen[Any]]] = {
        "v": CompareScreen,
        "t": ChatScreen,
        "e": ExportScreen,
        "f": QuestionsScreen,
    }

    async def act(app: TailfinApp, pilot: Driver) -> None:
        for key, screen in ways.items():
            await _open(app, pilot, run, "Export")
            await pilot.press(key)
            await until(app, pilot, partial(_shows, app, screen))

    drive(act, runs=run.path.parent)


def test_c_and_enter_on_a_row_copy(run: RunFolder, tmp_path: Path) -> None:
    copied = tmp_path / "cache" / "tailfin" / "copied.txt"

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run, "Compare base and tuned")
        await pilot.press("c")
        assert str(run.adapter) in copied.read_text() and "scp" in copied.read_text()
        rows = app.screen.query_one(Rows)
        await pilot.press("up")  # from the bar to the page
        assert app.focused is rows
        rows.choose(next(row.key for row in rows.rows if f"chat {run.id}" in row.key))
        await pilot.press("enter")
        assert copied.read_text() == f"tailfin chat {run.id}\n"

    drive(act, runs=run.path.parent)


def test_a_stopped_run_says_so_and_is_still_worth_its_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = deliver(tmp_path / "runs" / "a", last=stopped())

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run, "Compare base and tuned")
        assert "STOPPED" in screen_lines(app)[0]
        assert "It was asked to stop. What was learned until then" in _flat(app)

    drive(act, runs=run.path.parent)


def test_what_is_not_better_than_the_base_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = deliver(tmp_path / "runs" / "a", evals=(Evaluated(0, 2.5), Evaluated(10, 3.0)))

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run, "Compare base and tuned")
        assert "not better than the base" in _flat(app)

    drive(act, runs=run.path.parent)


def test_the_loss_told_is_that_of_the_step_that_was_delivered(tmp_path: Path) -> None:
    """keep_best delivers the lowest finite one after the base, not the last."""
    evals = (Evaluated(0, 0.1), Evaluated(5, 1.0), Evaluated(10, math.nan))
    view = read_result(deliver(tmp_path / "runs" / "a", evals=evals))
    assert view.tuned_eval is not None and view.tuned_eval.step == 5
    assert view.base_eval is not None and view.base_eval.loss == 0.1


def test_whole_weights_have_no_adapter_and_are_offered_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = deliver(tmp_path / "runs" / "a", method="full")
    evaluate(run, [])

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run, "Export merged weights")
        await pilot.press("e")
        await until(app, pilot, "> merged")
        text = " ".join(screen_text(app).split())
        assert "trained whole weights (full), so it has no adapter" in text
        assert "both" not in text

    drive(act, runs=run.path.parent)


def test_nothing_held_out_asks_for_questions_instead_of_failing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = deliver(tmp_path / "runs" / "a", num_held_out=0)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run, "Export adapter")
        assert "no rows were held out" in _flat(app)
        await pilot.press("v")
        await until(app, pilot, lambda: isinstance(app.screen, QuestionsScreen))

    drive(act, runs=run.path.parent)


def test_what_was_made_before_the_last_training_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumed run delivers other weights: an earlier export or measure is not about them."""
    monkeypatch.chdir(tmp_path)
    run = deliver(tmp_path / "runs" / "a", start=time.mktime((2026, 11, 23, 12, 0, 0, 0, 0, -1)))
    evaluate(run, [], created="2026-11-20T12:00:00+0000")
    export(run, "adapter", created="2026-11-20T12:00:00+0000")
    export(run, "merged", created="2026-11-25T12:00:00+0000")

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run, "Compare base and tuned")
        page = _flat(app)
        assert "OLD it was made before the last training" in page and "merged OK" in page
        assert read_result(run).missing_forms == ("adapter",)

    drive(act, runs=run.path.parent)


def test_a_run_without_a_result_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = Failed("crash", "train", "KeyError", "Read it.")
    run = deliver(tmp_path / "runs" / "a", last=failed)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        app.open_result(run)
        await until(app, pilot, "ended before it delivered a model")
        assert "tailfin resume a" in _flat(app) and "Home" in _bar(app)

    drive(act, runs=run.path.parent)


# Jobs


def test_a_job_at_work_is_found_shown_and_its_end_leads_on(run: RunFolder) -> None:
    job = begin_job(
        run,
        "evaluate",
        Stage("generate", "tuned: 8 questions"),
        Progress("generate", 3, 8, "answers", 1.0, 5.0),
    )

    async def act(app: TailfinApp, pilot: Driver) -> None:
        with at_work(job):
            await _open(app, pilot, run, "Compare base and tuned ]  at work")
            await until(app, pilot, "AT WORK  comparison")
            text = screen_text(app)
            assert "3 of 8 answers" in text and "left 0:05" in text
            assert "tuned: 8 questions" in text and "goes on if you leave" in text
            assert job.id in app.last_words[0] and "goes on" in app.last_words[0]
            await pilot.press("enter")  # waits, and does not leave
            assert isinstance(app.screen, ResultScreen)
            append(job, Progress("generate", 8, 8, "answers"))
            await until(app, pilot, "100%")
            evaluate(run, [pair("Why?", "Because.", "Fin.")], name="20261124-120001-evaluate")
            append(job, Finished(step=0, result="report.json"))
        await until(app, pilot, "See base against tuned")
        assert "AT WORK" not in screen_text(app) and not app.last_words
        await pilot.press("enter")
        await until(app, pilot, "Question 1 of 1")
        await pilot.press("enter")
        await until(app, pilot, "Export adapter and merged weights")

    drive(act, runs=run.path.parent)


def test_x_ends_a_job_once_that_was_confirmed(run: RunFolder) -> None:
    job = begin_job(run, "export", Stage("export", "merged"))

    async def act(app: TailfinApp, pilot: Driver) -> None:
        with at_work(job):
            await _open(app, pilot, run, "Export ]  at work")
            await pilot.press("x")
            await until(app, pilot, lambda: isinstance(app.screen, ConfirmScreen))
            await pilot.press("enter")  # no is the first choice
            await until(app, pilot, "AT WORK")
            assert not pending(job)
            await pilot.press("x", "y")
            await until(app, pilot, lambda: [act.name for act in pending(job)] == ["stop"])
            await until(app, pilot, "STOPPING")
            append(job, stopped())
        await until(app, pilot, "The export was ended.")
        assert "Compare base and tuned" in _bar(app)

    drive(act, runs=run.path.parent)


def test_a_failed_job_says_what_to_do_and_keeps_its_log(run: RunFolder) -> None:
    job = begin_job(
        run, "export", Failed("crash", "save", "OSError during save: [red]x", "Read the trace.")
    )
    job.worker_log.write_text("one\nTraceback ...\nOSError: \x1b[31mno\n", encoding="utf-8")

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run, "Compare base and tuned")
        await until(app, pilot, "FAIL  The export failed: OSError during save: [red]x")
        text = screen_text(app)
        assert "Do: Read the trace." in text and "| OSError: \\x1b[31mno" in text
        await pilot.press("l")
        await until(app, pilot, "Traceback ...")
        await pilot.press("escape")
        await until(app, pilot, lambda: isinstance(app.screen, ResultScreen))

    drive(act, runs=run.path.parent)


def test_a_killed_job_is_told_by_its_last_words(run: RunFolder) -> None:
    job = begin_job(run, "export", Stage("export", "merged"))
    job.worker_log.write_text("-- export merged\nKilled\n", encoding="utf-8")

    async def act(app: TailfinApp, pilot: Driver) -> None:
        with at_work(job) as worker:
            await _open(app, pilot, run, "at work")
            worker.kill()
            worker.wait()
        await until(app, pilot, "FAIL  The export failed: Its worker and its supervisor are gone")
        assert "| Killed" in screen_text(app)

    drive(act, runs=run.path.parent)


def test_the_newest_job_at_work_is_shown_before_newer_ones_that_ended(run: RunFolder) -> None:
    old = begin_job(run, "evaluate", Stage("load"), name="20261124-100000-evaluate")
    begin_job(run, "export", stopped(), name="20261124-110000-export")
    assert (view := JobWatcher(run).look()) is not None and view.kind == "export"
    with at_work(old):
        view = JobWatcher(run).look()
        assert view is not None and view.job.path == old.path and view.is_live


def test_a_place_that_holds_something_else_is_refused_in_words_that_stay(run: RunFolder) -> None:
    evaluate(run, [])
    (run.exports / "adapter").mkdir(parents=True)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run, "Export")
        await pilot.press("e")
        await until(app, pilot, "> both")
        await pilot.press("enter")
        await until(app, pilot, "not an export of tailfin")
        assert "Do: Move it away" in " ".join(screen_text(app).split())

    drive(act, runs=run.path.parent)
