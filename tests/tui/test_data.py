"""The data step: what is recognised, asked, refused and left out, on the real reader."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.bundled import bundled
from engine.data.inspect import Inspection, Inspector
from tests.tui.pilots import drive, screen_lines, screen_text, until
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.draft import Draft, demo_draft
from tui.panes.mapping import MappingRows
from tui.panes.recent_data import recent_data
from tui.screens.picker import PickerScreen
from tui.widgets.next_bar import NextBar
from tui.widgets.paper import Paper
from tui.widgets.path_input import PathInput
from tui.widgets.rows import Rows

SAMPLES = bundled("samples")
GOOD = SAMPLES / "good.jsonl"
SIZES = [(80, 24), (120, 40), (60, 16), (200, 50)]
Keys = Pilot[list[str]]


def opened(path: Path | str = "", runs: Path | None = None) -> WizardApp:
    """The app at the data step, with a file named already; no model, so no tokens are counted."""
    return WizardApp(Draft(choices={"data.path": str(path)} if path else {}), "data", runs)


def said(app: WizardApp) -> str:
    """Everything that is reported about the file, on one line."""
    return " ".join(
        "".join(text for text, _ in line).strip()
        for paper in app.pane.query(Paper)
        for line in paper.whole
    )


async def told(app: WizardApp, pilot: Keys, text: str) -> None:
    """Until the report says it."""
    plain = text.replace(" ", "")  # a long path breaks in the middle of a word
    await until(app, pilot, lambda: plain in said(app).replace(" ", ""))


async def go_on(app: WizardApp, pilot: Keys) -> None:
    await until(app, pilot, lambda: app.pane.stop == "")


async def type_in(app: WizardApp, pilot: Keys, text: str, field: str = "#rows-path") -> None:
    """Put a text into a field as one paste."""
    await until(app, pilot, lambda: bool(app.screen.query(field)))
    found = app.screen.query_one(field, PathInput)
    found.focus()
    await pilot.pause()
    found.value = text
    found.cursor_position = len(text)
    setting = "data.path" if field == "#rows-path" else "data.eval_path"
    await until(app, pilot, lambda: app.draft.text(setting) == text)


async def at_the_bar(app: WizardApp, pilot: Keys) -> None:
    """Nothing is in the way, and Enter goes on."""
    await until(app, pilot, lambda: isinstance(app.focused, NextBar) and not app.pane.stop)


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


def test_unknown_columns_are_asked_for_and_enter_confirms_what_is_proposed() -> None:
    app = opened(SAMPLES / "formats" / "question_answer.csv")

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, lambda: isinstance(app.focused, MappingRows))
        assert app.draft.inspection is None
        text = screen_text(app)
        assert "< question" in text
        assert "What is three plus" in text
        assert "Say which column is which, then Enter." in text
        await pilot.press("enter")
        await at_the_bar(app, pilot)
        await told(app, pilot, "prompt = question, completion = answer")

    drive(act, app=app)
    assert app.draft.choices["data.columns"] == {"prompt": "question", "completion": "answer"}
    assert app.draft.inspection is not None
    assert app.draft.inspection.num_rows == 20


def test_columns_without_a_proposal_are_chosen_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_text("x,y,z\nhow,well,7\nwho,me,8\n", encoding="utf-8")
    app = opened(file)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, lambda: isinstance(app.focused, MappingRows))
        rows = app.pane.query_one(MappingRows)
        assert rows.key == "prompt"
        await pilot.press("enter")
        assert "Choose a column for prompt" in screen_text(app)
        await pilot.press("right", "down", "right")
        await pilot.press("enter")
        assert "prompt and completion are the same column" in screen_text(app)
        rows.choose("completion")
        await pilot.press("right", "enter")
        await go_on(app, pilot)

    drive(act, app=app)
    assert app.draft.choices["data.columns"] == {"prompt": "x", "completion": "y"}


def test_bad_rows_stop_until_they_are_left_out() -> None:
    app = opened(SAMPLES / "broken.jsonl")

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "16 rows cannot be used: s leaves them out.")
        assert isinstance(app.focused, Rows)
        await told(app, pilot, "FAIL  3 rows could not be parsed as JSON, at lines 2, 3, 25")
        assert "--skip-bad-rows" not in said(app)
        await pilot.press("ctrl+n")
        assert app.wizard.step == "data"
        await pilot.press("enter")
        await at_the_bar(app, pilot)
        assert app.draft.skip_bad_rows
        await told(app, pilot, "OUT   3 rows could not be parsed")
        # worst first: what is left out is not in the way any more
        assert said(app).index("WARN") < said(app).index("OUT ")
        await pilot.press("s")
        await until(app, pilot, lambda: bool(app.pane.stop))

    drive(act, app=app)


def test_a_corrected_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    good = GOOD.read_text(encoding="utf-8").splitlines()[:30]
    file.write_text("\n".join([*good, "{"]), encoding="utf-8")
    app = opened(file)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "1 row cannot be used")
        file.write_text("\n".join(good), encoding="utf-8")
        await pilot.press("r")
        await go_on(app, pilot)
        await told(app, pilot, "30 usable of 30")

    drive(act, app=app)
    assert not app.draft.skip_bad_rows


def test_mixed_layouts_are_chosen_from() -> None:
    app = opened(SAMPLES / "broken" / "mixed_formats.jsonl")

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "Read it as ShareGPT conversations")
        assert not app.pane.query_one(MappingRows).display
        assert app.pane.stop == "This file cannot be read as it is."
        await pilot.press("enter")
        await until(app, pilot, lambda: app.draft.inspection is not None)

    drive(act, app=app)
    assert app.draft.choices["data.format"] == "messages"


@pytest.mark.parametrize(
    ("name", "says", "do"),
    [
        ("broken/html_page.json", "is a web page, not data", "Download the raw file"),
        ("broken/empty.jsonl", "empty", ""),
        ("nothing-here.jsonl", "does not exist", "Check the path."),
        ("formats", "is a folder, not a data file", "Name one file in it."),
    ],
)
def test_a_file_that_cannot_be_read_says_why(name: str, says: str, do: str) -> None:
    app = opened(SAMPLES / name)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "The file was not read.")
        await told(app, pilot, says)
        await told(app, pilot, do)
        assert app.pane.stop
        await pilot.press("ctrl+n")
        assert app.wizard.step == "data"
        assert isinstance(app.focused, PathInput)
        await type_in(app, pilot, str(GOOD))
        await go_on(app, pilot)

    drive(act, app=app)


def test_text_of_a_file_is_drawn_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "odd.jsonl"
    texts = ("[red]no colour[/red]", "escape \x1b[31m here", "龙没有尾鳍就飞不到想去的地方。" * 12)
    rows = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": text}]}
        for text in texts
    ]
    file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    app = opened(file)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await go_on(app, pilot)
        await until(app, pilot, "[red]no colour[/red]")
        await told(app, pilot, "\\x1b[31m")
        assert "\x1b" not in screen_text(app)
        # nothing is lost where a line of wide characters is broken
        assert texts[2] in said(app).replace(" ", "")

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


@pytest.fixture(autouse=True)
def _no_strays() -> Iterator[None]:
    """Every reader ends with its pane."""
    yield
    import psutil

    for child in psutil.Process().children(recursive=True):
        child.wait(5)
