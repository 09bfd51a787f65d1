"""Base against tuned: the measures, and answers drawn as what they are whatever they hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.pilot import Pilot

import engine.evaluate.start
from engine.evaluate.questions import usual_questions
from engine.runs.events import Stage
from engine.runs.store import RunFolder
from engine.settings import load_spec
from tests.tui.delivered_runs import begin_job, deliver, evaluate, pair
from tests.tui.pilots import drive, screen_lines, screen_text, until
from tui.app import TailfinApp
from tui.draw.compare_lines import BESIDE, answer_lines, pair_lines
from tui.draw.line import line, width_of
from tui.screens.compare import CompareScreen
from tui.screens.questions import QuestionsScreen
from tui.screens.result import ResultScreen
from tui.widgets.paper import Paper

Driver = Pilot[list[str]]
CHINESE = "杭州是中国浙江省的省会。以西湖闻名。"
PAIRS = [
    pair("What is the bat?", "A bat.", "Fin says: a bat.", "Fin says: the bat."),
    pair(
        "[red]杭州[/red]?",
        CHINESE * 8 + "\x1b[2J\x1b]52;c;AAAA\x07",
        "[link=x]no markup[/link]\n\n" + "word " * 60,
        hit_limit=True,
    ),
    pair("Nothing?", "", "\n"),
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = deliver(tmp_path / "runs" / "20261123-110000-animals")
    evaluate(made, PAIRS)
    return made


def _flat(app: TailfinApp) -> str:
    return " ".join(screen_text(app).split())


async def _open(app: TailfinApp, pilot: Driver, run: RunFolder) -> None:
    app.open_comparison(run)
    await until(app, pilot, "Question 1 of 3")


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40)])
def test_it_says_which_is_better_and_how_sure_that_is(
    run: RunFolder, size: tuple[int, int]
) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run)
        text = _flat(app)
        assert "2.5000" in text and "0.5000" in text
        said = "tuned is better: -2.0000 per token, 95% between -2.1000 and -1.9000"
        assert said in text and "on 48 held-out rows" in text
        assert "What is the bat?" in text and "A bat." in text and "Fin says: a bat." in text
        assert len(app.screen.query("*")) < 60

    drive(act, size=size, runs=run.path.parent)


def test_arrows_go_round_the_questions(run: RunFolder) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run)
        for key, at in (("right", 2), ("right", 3), ("right", 1), ("left", 3), ("n", 1), ("p", 3)):
            await pilot.press(key)
            await until(app, pilot, f"Question {at} of 3")
        assert screen_text(app).count("(nothing)") == 2

    drive(act, runs=run.path.parent)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_what_models_wrote_is_drawn_and_never_obeyed(run: RunFolder, columns: int) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run)
        await pilot.press("right")
        await until(app, pilot, "[red]杭州[/red]?")
        paper = app.screen.query_one(Paper)
        drawn = "\n".join("".join(text for text, _ in one) for one in paper.whole)
        assert "[link=x]no markup[/link]" in drawn and "cut off at 128 tokens" in drawn
        assert "\x1b" not in drawn
        assert "\\x1b[2J" in drawn.replace(" ", "").replace("\n", "") or columns == 120
        assert all(cell_len(said) <= columns for said in screen_lines(app))
        assert any(" | " in said for said in screen_lines(app)) == (columns >= BESIDE)

    drive(act, size=(columns, 24), runs=run.path.parent)


def test_long_answers_are_read_with_the_arrows_from_the_bar(run: RunFolder) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run)
        await pilot.press("right")
        await until(app, pilot, "more lines")
        before = screen_lines(app)
        await pilot.press("pagedown", "down")
        assert screen_lines(app) != before
        await pilot.press("enter")
        await until(app, pilot, lambda: isinstance(app.screen, ResultScreen))

    drive(act, size=(60, 16), runs=run.path.parent)


def test_without_an_evaluation_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bare = deliver(tmp_path / "runs" / "a")

    async def act(app: TailfinApp, pilot: Driver) -> None:
        app.open_comparison(bare)
        await until(app, pilot, "were not compared yet")
        await pilot.press("escape")
        await until(app, pilot, lambda: isinstance(app.screen, ResultScreen))

    drive(act, runs=bare.path.parent)


def test_own_questions_are_read_before_anything_starts(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_text("Who?\n", encoding="utf-8")
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    asked: list[tuple[str, ...]] = []

    def start_job(of: RunFolder, worker: str, *words: str) -> RunFolder:
        asked.append((worker, *words))
        return begin_job(of, worker, Stage("load"))

    monkeypatch.setattr(engine.evaluate.start, "start_job", start_job)

    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run)
        await pilot.press("f")
        await until(app, pilot, lambda: isinstance(app.screen, QuestionsScreen))
        await pilot.press(*"empty.txt", "enter")
        await until(app, pilot, "holds no question")
        assert not asked
        await pilot.press("ctrl+u", *"min", "tab")
        await until(app, pilot, "mine.txt")
        await pilot.press("enter")
        await until(app, pilot, lambda: isinstance(app.screen, ResultScreen))
        assert asked[0][-2:] == ("--questions", str(tmp_path / "mine.txt"))

    drive(act, runs=run.path.parent)


def test_after_a_demo_the_bundled_questions_are_asked(tmp_path: Path) -> None:
    from engine.bundled import bundled

    spec = load_spec(bundled("samples") / "demo.toml").spec
    own = spec.model_copy(update={"data": spec.data.model_copy(update={"path": "/x/good.jsonl"})})
    shown = spec.data.model_copy(update={"path": str(bundled("samples") / "good.jsonl")})
    found = usual_questions(spec.model_copy(update={"data": shown}))
    assert found is not None and found.name == "questions.jsonl" and found.is_file()
    assert usual_questions(own) is None


@given(st.text(), st.text(), st.integers(20, 160))
@example("x" * 500, "y" * 500, BESIDE)
@example(CHINESE * 20, CHINESE * 20, BESIDE + 1)
def test_no_text_is_wider_than_its_column(left: str, right: str, width: int) -> None:
    blocks = ((line("base"), left, ""), (line("tuned"), right, ""))
    drawn = pair_lines(*blocks, width)
    assert all(width_of(one) <= width for one in drawn)
    assert all(text.isprintable() for one in drawn for text, _ in one)


def test_two_columns_hold_the_same_words_as_one() -> None:
    for width in (BESIDE - 1, BESIDE):
        drawn = answer_lines(PAIRS[0], 128, width)
        text = " ".join(" ".join(text for text, _ in one) for one in drawn)
        assert "A bat." in text and "Fin says: a bat." in text and "Fin says: the bat." in text


def test_the_screen_is_one_of_the_run(run: RunFolder) -> None:
    async def act(app: TailfinApp, pilot: Driver) -> None:
        await _open(app, pilot, run)
        assert isinstance(app.screen, CompareScreen)
        await pilot.press("c")
        copied = Path(app.screen._run.path).parents[1] / "cache" / "tailfin" / "copied.txt"
        assert "answers.jsonl" in copied.read_text()

    drive(act, runs=run.path.parent)
