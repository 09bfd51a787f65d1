"""The data step: what is recognised, asked, refused and left out, on the real reader."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.data.inspect import Inspection, Inspector
from tests.tui.data_step import (
    GOOD,
    SAMPLES,
    SIZES,
    Keys,
    at_the_bar,
    go_on,
    opened,
    said,
    told,
    type_in,
)
from tests.tui.pilots import drive, screen_lines, until
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.draft import Draft, demo_draft
from tui.panes.recent_data import recent_data
from tui.screens.picker import PickerScreen
from tui.widgets.paper import Paper
from tui.widgets.path_input import PathInput


@pytest.fixture(autouse=True)
def _no_strays() -> Iterator[None]:
    """Every reader ends with its pane; what earlier tests of this process left is theirs."""
    import psutil

    before = set(psutil.Process().children(recursive=True))
    yield
    for child in set(psutil.Process().children(recursive=True)) - before:
        child.wait(20)


def test_the_demo_is_read_counted_and_needs_one_enter() -> None:
    app = WizardApp(demo_draft(), "data")

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "chat messages in JSON Lines")
        await at_the_bar(app, pilot)
        await told(app, pilot, "400 usable of 400, none left out")
        await told(app, pilot, "48 rows of the file above")
        await until(app, pilot, lambda: app.pane.forward == "Continue to the method", 60)
        await told(app, pilot, "16,153; half of the rows have up to 32")
        await told(app, pilot, "128 (from the data), cuts no row")
        await told(app, pilot, "6,169 tokens (38%)")
        await told(app, pilot, "Fin says")
        await pilot.press("enter")
        await until(app, pilot, lambda: app.wizard.step == "method")

    drive(act, app=app)
    assert app.draft.choices == {}
    assert app.draft.inspection is not None
    assert app.draft.inspection.tokens is not None
    assert app.draft.held_out is not None
    assert app.draft.held_out.num_rows == 48


def test_a_typed_file_is_read_and_the_cursor_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(GOOD, "my rows.jsonl")
    app = opened(runs=tmp_path / "runs")

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "Name a data file, or choose one from the list.")
        await until(app, pilot, lambda: isinstance(app.focused, PathInput))
        for character in "my rows.jsonl":
            await pilot.press(character)
        await go_on(app, pilot)
        assert isinstance(app.focused, PathInput)
        await told(app, pilot, "about 40 rows split off (10%)")
        await pilot.press("enter")
        await until(app, pilot, lambda: app.wizard.step == "method")

    drive(act, app=app)
    assert app.draft.choices["data.path"] == "my rows.jsonl"


def test_tab_completes_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "quite a long name"
    folder.mkdir()
    for name in ("rows-a.jsonl", "rows-b.jsonl"):
        shutil.copy(GOOD, folder / name)
    app = opened(runs=tmp_path / "runs")

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await type_in(app, pilot, str(tmp_path / "qui"))
        await pilot.press("tab")
        field = app.pane.query_one("#rows-path", PathInput)
        await until(app, pilot, lambda: field.value == f"{folder}/")
        await pilot.press("tab")
        await until(app, pilot, lambda: field.value == f"{folder}/rows-")
        await pilot.press("tab")
        await until(app, pilot, "rows-a.jsonl  rows-b.jsonl")

    drive(act, app=app)


def test_another_file_forgets_what_belonged_to_the_one_before() -> None:
    chosen: dict[str, object] = {
        "data.path": str(SAMPLES / "formats" / "question_answer.csv"),
        "data.columns": {"prompt": "question", "completion": "answer"},
    }
    app = WizardApp(Draft(choices=chosen), "data")

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at_the_bar(app, pilot)
        await type_in(app, pilot, str(SAMPLES / "broken.jsonl"))
        await until(app, pilot, "16 rows cannot be used")
        await pilot.press("enter", "enter")
        await at_the_bar(app, pilot)
        assert app.draft.skip_bad_rows
        await type_in(app, pilot, str(GOOD))
        await go_on(app, pilot)

    drive(act, app=app)
    assert set(app.draft.choices) == {"data.path"}
    assert not app.draft.skip_bad_rows


def test_files_of_earlier_runs_are_offered(tmp_path: Path) -> None:
    file = tmp_path / "earlier.jsonl"
    shutil.copy(GOOD, file)
    for number, path in enumerate([file, tmp_path / "gone.jsonl", file]):
        run = tmp_path / "runs" / f"20260101-00000{number}-x"
        run.mkdir(parents=True)
        (run / "spec.toml").write_text(f'[data]\npath = "{path}"\n', encoding="utf-8")
    known = [one.path for one in recent_data(str(tmp_path / "runs"))]
    assert known[0] == str(file)
    assert known.count(str(file)) == 1
    assert str(tmp_path / "gone.jsonl") not in known
    assert known[-1] == str(GOOD)
    app = opened(runs=tmp_path / "runs")

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "earlier.jsonl")
        await pilot.press("down", "down", "enter")
        await at_the_bar(app, pilot)

    drive(act, app=app)
    assert app.draft.choices["data.path"] == str(file)


def test_another_maximum_length_is_counted_anew() -> None:
    draft = demo_draft()
    reader = Inspector()
    reader.start(draft.text("data.path"), model=draft.text("model.path"))
    found = reader.result()
    assert isinstance(found, Inspection)
    app = WizardApp(replace(draft, inspection=found).choose("data.max_length", 32), "data")

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "128 (from the data), cuts no row")
        await until(app, pilot, lambda: "32 (yours; the data asks for 128), cuts" in said(app), 60)

    drive(act, app=app)


def test_files_are_browsed_with_a_key(tmp_path: Path) -> None:
    shutil.copy(GOOD, tmp_path / "found.jsonl")
    (tmp_path / "begun.txt").touch()
    app = opened(tmp_path / "begun.txt")

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "The file was not read.")
        await pilot.press("f3")
        await until(app, pilot, lambda: isinstance(app.screen, PickerScreen))
        await until(app, pilot, "found.jsonl")
        for character in "found":
            await pilot.press(character)
        await pilot.press("enter")
        await at_the_bar(app, pilot)

    drive(act, app=app)
    assert app.draft.choices["data.path"] == str(tmp_path / "found.jsonl")


def test_a_held_out_file_is_read_too(tmp_path: Path) -> None:
    app = opened(GOOD)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at_the_bar(app, pilot)
        await type_in(app, pilot, str(tmp_path / "none.jsonl"), "#held-path")
        await until(app, pilot, lambda: app.pane.stop == "The held-out file cannot be used.")
        await told(app, pilot, "none.jsonl does not exist")
        await type_in(app, pilot, str(SAMPLES / "held_out.jsonl"), "#held-path")
        await go_on(app, pilot)
        await told(app, pilot, "48 rows of the file above")
        await type_in(app, pilot, "", "#held-path")
        await go_on(app, pilot)
        await told(app, pilot, "about 40 rows split off")

    drive(act, app=app)
    assert app.draft.text("data.eval_path") == ""


def test_going_back_reads_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(GOOD)
    started: list[object] = []
    real = Inspector.start

    def start(self: Inspector, *args: object, **named: object) -> None:
        started.append(args)
        real(self, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Inspector, "start", start)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await go_on(app, pilot)
        await pilot.press("ctrl+n")
        await until(app, pilot, lambda: app.wizard.step == "method")
        await pilot.press("escape")
        await until(app, pilot, lambda: app.wizard.step == "data")
        await until(app, pilot, "400 usable of 400")
        assert app.pane.stop == ""

    drive(act, app=app)
    assert len(started) == 1


@pytest.mark.parametrize(
    ("size", "name"),
    [
        *((size, "good.jsonl") for size in SIZES),
        ((60, 16), "broken.jsonl"),
        ((60, 16), "formats/question_answer.csv"),
        ((60, 16), "broken/mixed_formats.jsonl"),
    ],
)
def test_every_size_shows_the_way_on(size: tuple[int, int], name: str) -> None:
    app = opened(SAMPLES / name)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, lambda: bool(app.pane.query_one("#report", Paper).whole))
        await pilot.pause(0.2)
        lines = screen_lines(app)
        bar = next(line for line in lines if "[ Continue" in line)
        assert bar.endswith(app.pane.stop or f"[ {app.pane.forward} ]")
        assert "Data file" in lines[1]
        headlines = {
            "formats/question_answer.csv": "Nobody knows these columns",
            "broken/mixed_formats.jsonl": "The file was not read.",
        }
        headline = headlines.get(name, "in JSON Lines")
        assert any(headline in line for line in lines)
        assert len(app.screen.query("*")) < 60

    drive(act, app=app, size=size)
