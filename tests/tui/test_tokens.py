"""The screen of tokens, over the real tokenizer in a real worker."""

from __future__ import annotations

from pathlib import Path

import psutil
from textual.pilot import Pilot

from engine.spec import Spec
from tests.tui.pilots import drive, screen_lines, screen_text, until
from tui.app import TailfinApp
from tui.screens.tokens import TokensScreen

SAMPLES = Path(__file__).parents[2] / "samples"


def spec(path: Path, **data: object) -> Spec:
    told = {"model": {"path": str(SAMPLES / "model")}, "data": {"path": str(path), **data}}
    return Spec.model_validate(told)


def workers() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "token-view" in child.cmdline()]


def test_rows_are_turned_and_ids_shown() -> None:
    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        app.push_screen(TokensScreen(spec(SAMPLES / "good.jsonl")))
        await until(app, pilot, "1 of the 50 worst rows", 60)
        await until(app, pilot, "trained  ")
        before = screen_text(app)
        assert "400 rows" in before and "ignored  <|turn|>" in before
        assert all(len(line) <= 80 for line in screen_lines(app))
        await pilot.press("n")
        await until(app, pilot, "2 of the 50 worst rows")
        await pilot.press("p")
        await until(app, pilot, "1 of the 50 worst rows")
        await pilot.press("i")
        await until(app, pilot, "<|turn|>(")
        await pilot.press("escape")
        await until(app, pilot, lambda: not isinstance(app.screen, TokensScreen))

    drive(act)


def test_closing_ends_the_worker() -> None:
    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        app.push_screen(TokensScreen(spec(SAMPLES / "good.jsonl")))
        await until(app, pilot, lambda: bool(workers()))
        await pilot.press("escape")
        await until(app, pilot, lambda: not workers())

    drive(act)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    empty = tmp_path / "rows.jsonl"
    empty.write_text("")

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        app.push_screen(TokensScreen(spec(empty)))
        await until(app, pilot, "empty", 60)

    drive(act)
