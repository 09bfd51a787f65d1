"""The review: what is said before a run, and that exactly one is started."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.cost.price import Price, read_price
from engine.errors import TailfinError
from engine.runs.create import spec_text
from engine.runs.store import RunFolder
from engine.settings import load_spec
from tests.tui.pilots import drive, screen_lines, screen_text, until
from tests.tui.review_step import (
    MODEL,
    SAMPLES,
    SIZES,
    Keys,
    Launches,
    known,
    opened,
    press_enter,
    said,
    told,
)
from tui.app import TailfinApp
from tui.clipboard import copied_file
from tui.draft import Draft, demo_draft
from tui.panes.review import ReviewPane
from tui.screens.reading import ReadingScreen
from tui.widgets.next_bar import NextBar
from tui.widgets.paper import Paper


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> Launches:
    return Launches(monkeypatch)


def test_the_demo_is_told_in_plain_words(tmp_path: Path) -> None:
    app = opened(known(demo_draft()), tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "a LoRA adapter, rank 16, alpha 32, on all-linear")
        await told(app, pilot, "the rehearsal measures it")
        text = said(app)
        assert "of 1.84 M parameters trained" in text
        assert f"400 rows of {SAMPLES / 'good.jsonl'}, 48 rows held out" in text
        assert "5 epochs, about 125 steps of 16 rows (micro-batch 16 x accumulation 1)" in text
        assert "OK: Needs" in text
        assert "for checkpoints and exports" in text
        assert f"{tmp_path}/DATE-TIME-demo" in text.replace(" ", "")
        assert f"tailfin train {SAMPLES / 'demo.toml'}" in text
        assert "16  (profile cpu-demo)" in text

    drive(act, app=app)


def test_enter_starts_exactly_one_run_however_often(tmp_path: Path, launches: Launches) -> None:
    app = opened(known(demo_draft()), tmp_path)
    launches.may_start.clear()

    async def act(_: TailfinApp, pilot: Keys) -> None:
        for _number in range(5):
            await press_enter(app, pilot)
        assert app.pane.stop == "Starting ..."
        # not even a way back and forth again
        await pilot.press("escape")
        await until(app, pilot, lambda: app.wizard.step == "method")
        await pilot.press("ctrl+n")
        await until(app, pilot, lambda: isinstance(app.pane, ReviewPane))
        await pilot.press("enter", "enter")
        launches.may_start.set()
        await until(app, pilot, lambda: bool(launches.opened))

    drive(act, app=app)
    assert len(launches.runs) == 1
    assert [run.path for run in launches.opened] == [launches.runs[0].path]
    assert [path.name for path in tmp_path.iterdir()] == [launches.runs[0].id]


def test_an_enter_meant_for_the_step_before_starts_nothing(
    tmp_path: Path, launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.screens.wizard.READ_S", 3600.0)
    app = opened(known(demo_draft()), tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await press_enter(app, pilot)
        await until(app, pilot, "Read it first.")
        await pilot.press("enter", "enter")
        await pilot.pause()
        monkeypatch.setattr("tui.screens.wizard.READ_S", 0.0)
        assert launches.runs == []
        await pilot.press("enter")
        await until(app, pilot, lambda: bool(launches.opened))

    drive(act, app=app)


def test_the_run_keeps_the_file_that_was_shown(tmp_path: Path, launches: Launches) -> None:
    draft = known(demo_draft().choose("train.rank", 4))
    app = opened(draft, tmp_path)
    shown: list[str] = []

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "tailfin train")
        await pilot.press("f")
        await until(app, pilot, lambda: isinstance(app.screen, ReadingScreen))
        await until(app, pilot, "train.rank: you")
        await pilot.press("escape")
        resolved = app.pane._resolved  # type: ignore[attr-defined]
        shown.append(spec_text(resolved))
        await press_enter(app, pilot)
        await until(app, pilot, lambda: bool(launches.opened))

    drive(act, app=app)
    assert launches.runs[0].spec.read_text(encoding="utf-8") == shown[0]
    assert "# train.rank: you" in shown[0]


def test_the_command_makes_the_same_run(
    tmp_path: Path, launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shlex

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = Path("rows with 'quotes' and \u9f99.jsonl")
    shutil.copy(SAMPLES / "broken.jsonl", file)
    choices: dict[str, object] = {
        "model.path": MODEL,
        "data.path": str(file),
        "data.system": "-x = [red]",
        "train.epochs": 2.0,
        "name": "2024-11-23",
    }
    draft = replace(known(Draft(choices=choices)), skip_bad_rows=True)
    app = opened(draft, tmp_path / "runs")

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "tailfin train")
        await pilot.press("c")
        await until(app, pilot, "Copied; it also stands in")
        await press_enter(app, pilot)
        await until(app, pilot, lambda: bool(launches.opened))

    drive(act, app=app)
    words = shlex.split(copied_file().read_text(encoding="utf-8"))
    assert words[0] == "tailfin"
    assert "--skip-bad-rows" in words
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")  # paths in it do not depend on where it is typed
    assert main([*words[1:], "--detach"]) == 0
    first, second = (load_spec(run.spec).spec for run in launches.runs)
    assert first == second


def test_what_fails_at_the_start_is_said_and_nothing_is_lost(
    tmp_path: Path, launches: Launches
) -> None:
    file = tmp_path / "rows.jsonl"
    shutil.copy(SAMPLES / "good.jsonl", file)
    draft = known(Draft(choices={"model.path": MODEL, "data.path": str(file)}))
    app = opened(draft, tmp_path / "runs")

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "tailfin train")
        file.rename(tmp_path / "away.jsonl")
        await press_enter(app, pilot)
        await until(app, pilot, "does not exist")
        assert "FAIL" in screen_text(app)
        assert app.pane.stop == ""
        assert not (tmp_path / "runs").exists()
        (tmp_path / "away.jsonl").rename(file)
        await press_enter(app, pilot)
        await until(app, pilot, lambda: bool(launches.opened))

    drive(act, app=app)
    assert len(launches.runs) == 1


def test_the_name_is_edited_here_and_enter_in_it_starts_nothing(
    tmp_path: Path, launches: Launches
) -> None:
    app = opened(known(demo_draft()), tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "run folder")
        name = app.pane.query_one("#run-name")
        await until(app, pilot, lambda: isinstance(app.focused, NextBar))
        name.focus()
        await until(app, pilot, lambda: app.focused is name)
        await pilot.press("minus")
        await until(app, pilot, lambda: app.draft.text("name") == "demo-")
        await pilot.press("slash")
        await until(app, pilot, lambda: bool(app.pane.stop))
        await told(app, pilot, "name of the run must be 1 to 64 letters")
        await pilot.press("backspace", "2", "enter")
        await until(app, pilot, lambda: isinstance(app.focused, NextBar))
        await until(app, pilot, lambda: said(app).replace(" ", "").count("DATE-TIME-demo-2") == 1)

    drive(act, app=app)
    assert launches.runs == []
    assert app.draft.choices["name"] == "demo-2"


def test_a_setting_that_cannot_work_with_the_model_stops(tmp_path: Path) -> None:
    draft = demo_draft().choose("train.method", "freeze").choose("train.trainable_layers", 40)
    app = opened(known(draft), tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "but the model has 4 layers")
        assert app.pane.stop == "This cannot run as it is."

    drive(act, app=app)


def test_a_start_gives_its_error_to_whoever_asks_later() -> None:
    from tui.start import Start

    start = Start()
    assert start.begin()
    assert not start.begin()

    def fail() -> RunFolder:
        raise TailfinError("No.", "Try again.")

    with pytest.raises(TailfinError):
        start.carry_out(fail)
    assert start.outcome() is None
    assert start.error is not None
    assert start.begin()
    run = RunFolder(Path("x"))
    assert start.carry_out(lambda: run) is run
    assert start.outcome() is run
    assert not start.begin()


@pytest.mark.parametrize("size", SIZES)
def test_every_size_shows_the_facts_and_the_way_on(size: tuple[int, int], tmp_path: Path) -> None:
    app = opened(known(demo_draft()), tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "the rehearsal measures it")
        await until(app, pilot, "trains      a LoRA adapter")
        lines = screen_lines(app)
        assert any("[ Start training ]" in line for line in lines)
        assert any("copy the command" in line for line in lines)
        assert len(app.screen.query("*")) < 60
        if size[1] < 40:  # what has no room is reached by scrolling
            plan = app.pane.query_one("#plan", Paper)
            plan.focus()
            await pilot.press(*["pagedown"] * 12)
            assert "End. Up goes back" in screen_text(app)

    drive(act, app=app, size=size)


def test_the_price_of_an_hour_is_typed_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("TAILFIN_PRICE_PER_HOUR", raising=False)
    app = opened(known(demo_draft()), tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "for checkpoints and exports")
        await pilot.press("p")
        await until(app, pilot, "Price of an hour")
        await pilot.press(*"cheap", "enter")
        await until(app, pilot, "'cheap' is not a price per hour.")
        await pilot.press(*["backspace"] * 5, *"0.79 EUR", "enter")
        await told(app, pilot, "for checkpoints and exports")
        assert read_price() == Price(0.79, "EUR")
        await pilot.press("p")
        await until(app, pilot, "Price of an hour")
        await pilot.press(*["backspace"] * 8, "enter")
        await told(app, pilot, "for checkpoints and exports")
        assert read_price() is None

    drive(act, app=app)
