"""The review: what is said before a run, and that exactly one is started."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.bundled import bundled
from engine.cli.main import main
from engine.data.inspect import Inspection, Inspector
from engine.doctor.checks import Group
from engine.errors import TailfinError
from engine.findings import Finding
from engine.hub.cache import cache_root
from engine.memory.cards import Card
from engine.memory.model_config import read_config
from engine.memory.model_shape import read_shape
from engine.runs.create import spec_text
from engine.runs.store import RunFolder
from engine.settings import load_spec
from tests.tui.pilots import drive, screen_lines, screen_text, until
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.clipboard import copied_file
from tui.draft import Draft, demo_draft
from tui.model_lookup import look_up
from tui.panes.review import ReviewPane
from tui.screens.confirm import ConfirmScreen
from tui.screens.reading import ReadingScreen
from tui.widgets.next_bar import NextBar
from tui.widgets.paper import Paper

SAMPLES = bundled("samples")
MODEL = str(SAMPLES / "model")
RAM = Card("RAM", 16.0, (0, 0), 0.0, is_gpu=False, taken_gib=4.0)
SIZES = [(80, 24), (120, 40), (60, 16), (200, 50)]
FAILURE = Finding("gpu.driver-too-old", "fail", "The driver is [red]too old[/red].", "Get another.")
Keys = Pilot[list[str]]


def inspected(path: Path | str) -> Inspection:
    reader = Inspector()
    reader.start(path)
    found = reader.result()
    assert isinstance(found, Inspection)
    return found


def known(draft: Draft, card: Card = RAM) -> Draft:
    """The draft as the steps before leave it."""
    held = draft.text("data.eval_path")
    return replace(
        draft,
        card=card,
        shape=read_shape(read_config(MODEL).config),
        inspection=inspected(draft.text("data.path")),
        held_out=inspected(held) if held else None,
    )


class Launches:
    """Stands in for the detached process; everything before it is real."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.runs: list[RunFolder] = []
        self.opened: list[RunFolder] = []
        self.may_start = threading.Event()
        self.may_start.set()
        patch.setattr("engine.runs.create.launch", self._launch)
        patch.setattr(TailfinApp, "open_run", lambda _, run: self.opened.append(run))

    def _launch(self, run: RunFolder, command: object) -> None:
        self.may_start.wait(20)
        self.runs.append(run)


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> Launches:
    return Launches(monkeypatch)


def opened(draft: Draft, runs: Path) -> WizardApp:
    return WizardApp(draft, "review", runs)


def said(app: WizardApp) -> str:
    """Everything the review says, on one line."""
    return " ".join(
        "".join(text for text, _ in line).strip()
        for paper in app.pane.query(Paper)
        for line in paper.whole
    )


async def told(app: WizardApp, pilot: Keys, text: str) -> None:
    await until(app, pilot, lambda: bool(app.screen.query("#plan")) and text in said(app))


async def press_enter(app: WizardApp, pilot: Keys) -> None:
    await until(app, pilot, lambda: isinstance(app.focused, NextBar))
    await pilot.press("enter")


def test_the_demo_is_told_in_plain_words(tmp_path: Path) -> None:
    app = opened(known(demo_draft()), tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "a LoRA adapter, rank 16, alpha 32, on all-linear")
        await told(app, pilot, "not known before the first steps")
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


def test_failures_of_the_box_block_with_words(tmp_path: Path, launches: Launches) -> None:
    draft = replace(known(demo_draft()), groups=(Group("GPU", (FAILURE,)),))
    app = opened(draft, tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "The driver is [red]too old[/red].")
        assert said(app).startswith("FAIL  The driver")
        assert app.pane.stop == "1 failure of the box: fix, then step 1."
        await pilot.press("ctrl+n", "enter")
        assert app.wizard.step == "review"

    drive(act, app=app)
    assert launches.runs == []


@pytest.mark.parametrize("answer", ["escape", "n", "y"])
def test_a_budget_that_does_not_fit_is_asked_about(
    answer: str, tmp_path: Path, launches: Launches
) -> None:
    tiny = Card("RAM", 0.6, (0, 0), 0.0, is_gpu=False)
    app = opened(known(demo_draft(), tiny), tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "FAIL: Needs")
        await press_enter(app, pilot)
        await until(app, pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert launches.runs == []
        await pilot.press(answer)
        await until(app, pilot, lambda: not isinstance(app.screen, ConfirmScreen))
        if answer == "y":
            await until(app, pilot, lambda: bool(launches.opened))
        else:
            await pilot.pause(0.2)

    drive(act, app=app)
    assert len(launches.runs) == (answer == "y")


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
        await told(app, pilot, "not known before the first steps")
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


def test_the_plan_is_read_on_from_the_bar(tmp_path: Path) -> None:
    app = opened(known(demo_draft()), tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "more lines: PgDn to read on")
        await until(app, pilot, lambda: isinstance(app.focused, NextBar))
        for _page in app.pane.query_one("#plan", Paper).whole:
            await pilot.press("pagedown")
        await until(app, pilot, "End. PgUp goes back")

    drive(act, app=app, size=(60, 16))


@pytest.mark.parametrize(
    ("free", "is_one_volume", "says"),
    [
        ({"runs": 900, "cache": 0.001}, False, "are to be downloaded, but the model cache has"),
        ({"runs": 0.001, "cache": 900}, False, "Checkpoints need"),
        ({"runs": 1, "cache": 1}, True, "The download and the checkpoints need"),
        ({"runs": 1, "cache": 1}, False, ""),
    ],
)
def test_too_little_disk_is_said_before_the_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: dict[str, float],
    is_one_volume: bool,
    says: str,
) -> None:
    draft = known(demo_draft())
    place = look_up(MODEL, "").place
    app = opened(
        replace(draft, place=replace(place, total_bytes=2**30, cached_bytes=2**20)), tmp_path
    )
    kept = {tmp_path: free["runs"], cache_root(): free["cache"]}
    monkeypatch.setattr("engine.hub.cache.free_bytes", lambda path: int(kept[path] * 2**30))
    monkeypatch.setattr("engine.hub.cache.is_one_volume", lambda *_: is_one_volume)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "to download")
        words = ("are to be downloaded", "Checkpoints need", "The download and the checkpoints")
        assert [word for word in words if word in said(app)] == [
            word for word in words if word in says
        ]
        assert says in said(app)

    drive(act, app=app)


def test_a_volume_that_cannot_be_asked_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> int:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr("engine.hub.cache.free_bytes", refuse)
    app = opened(known(demo_draft()), tmp_path)

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await told(app, pilot, "could not be used: Input/output error.")
        await told(app, pilot, "Check that it exists")
        assert not app.pane.stop

    drive(act, app=app)
