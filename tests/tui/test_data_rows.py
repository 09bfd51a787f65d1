"""What a file holds: columns that are asked for, rows that cannot be used, text as it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.data_step import GOOD, SAMPLES, Keys, at_the_bar, go_on, opened, said, told, type_in
from tests.tui.pilots import drive, screen_text, until
from tui.app import TailfinApp
from tui.panes.mapping import MappingRows
from tui.widgets.path_input import PathInput
from tui.widgets.rows import Rows


@pytest.fixture(autouse=True)
def _no_strays() -> Iterator[None]:
    """Every reader ends with its pane; what earlier tests of this process left is theirs."""
    import psutil

    before = set(psutil.Process().children(recursive=True))
    yield
    for child in set(psutil.Process().children(recursive=True)) - before:
        child.wait(20)


def test_unknown_columns_are_asked_for_and_enter_confirms_what_is_proposed() -> None:
    app = opened(SAMPLES / "formats" / "question_answer.csv")

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, lambda: isinstance(app.focused, MappingRows))
        assert app.draft.inspection is None
        for shown in ("< question", "What is three plus", "Say which column is which, then Enter."):
            await until(app, pilot, shown)
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
        ("build", "holds no data file", "Name one file"),
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
