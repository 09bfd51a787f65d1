"""The field and the list of the model step: completing, browsing, choosing, reading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.fake_hub import FakeHub, FakeModel, connect, fake_hub
from tests.tui.model_step import FILES, SAMPLE, SECRET, copy_of_sample, facts, opened, type_in
from tests.tui.pilots import drive, screen_text, until
from tui.app import TailfinApp
from tui.draft import Draft, demo_draft
from tui.panes.model import ModelPane
from tui.widgets.next_bar import NextBar
from tui.widgets.paper import Paper
from tui.widgets.path_input import PathInput
from tui.widgets.rows import Rows


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with fake_hub() as running:
        connect(monkeypatch, running.url, tmp_path / "hub_home")
        yield running


@pytest.fixture(autouse=True)
def somewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A short pause after typing, and a current folder and runs of our own."""
    monkeypatch.setattr("tui.panes.model._PAUSE_S", 0.05)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TAILFIN_RUNS", raising=False)


def test_a_token_that_was_pasted_is_neither_shown_nor_sent_nor_kept(hub: FakeHub) -> None:
    app = opened()
    drafts: list[Draft] = []

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "Name a base model")
        app.screen.query_one(PathInput).insert_text_at_cursor(SECRET)
        await until(app, pilot, "looked like a hub token")
        await pilot.pause(0.2)
        assert SECRET[:12] not in screen_text(app)
        assert app.screen.query_one(PathInput).value == ""
        assert "hf auth login" in facts(app)
        drafts.append(app.draft)
        await type_in(app, pilot, str(SAMPLE))
        await until(app, pilot, "1.84 M parameters")

    drive(act, app=app)
    assert SECRET not in repr(drafts) + repr(app.draft)
    assert not hub.seen


def test_the_address_of_a_models_page_is_taken_as_its_name(hub: FakeHub) -> None:
    hub.add(FakeModel("Qwen/Qwen2.5-0.5B", FILES))
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "Name a base model")
        field = app.screen.query_one(PathInput)
        field.insert_text_at_cursor("https://huggingface.co/Qwen/Qwen2.5-0.5B/tree/main")
        await until(app, pilot, "494 M parameters")

    drive(act, app=app)
    assert app.draft.choices["model.path"] == "Qwen/Qwen2.5-0.5B"


def test_models_of_earlier_runs_and_whole_ones_of_the_cache_are_offered(
    hub: FakeHub, tmp_path: Path
) -> None:
    from huggingface_hub import snapshot_download

    hub.add(FakeModel("whole/model", FILES))
    hub.add(FakeModel("half/model", FILES))
    snapshot_download("whole/model", allow_patterns=["*.json", "*.safetensors"])
    snapshot_download("half/model", allow_patterns=["config.json"])
    kept = copy_of_sample(tmp_path / "模型" / "[red]千问[/red]")
    for number, path in enumerate(["gone/from/here", str(tmp_path / "gone"), str(kept), str(kept)]):
        run = tmp_path / "runs" / f"2026110{number}-000000-x"
        run.mkdir(parents=True)
        (run / "spec.toml").write_text(f'[model]\npath = "{path}"\n', encoding="utf-8")
    (tmp_path / "runs" / "20261109-000000-x").mkdir()
    (tmp_path / "runs" / "20261109-000000-x" / "spec.toml").write_text("broken [")
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "in the hub's cache, 1.")
        rows = app.pane.query_one(Rows)
        paths = [row.key for row in rows.rows]
        assert paths[1:] == [str(kept), "gone/from/here", "whole/model", str(SAMPLE)]
        assert "[red]千问[/red]" in screen_text(app)
        await pilot.press("down")
        assert rows.has_focus
        await pilot.press("down", "enter")
        await until(app, pilot, "1.84 M parameters")
        await until(app, pilot, lambda: isinstance(app.focused, NextBar))

    drive(act, app=app, size=(120, 40))
    assert app.draft.choices["model.path"] == str(kept)
    assert app.draft.place is not None


def test_tab_completes_shows_choices_and_moves_on(tmp_path: Path) -> None:
    (tmp_path / "models" / "alpha-1").mkdir(parents=True)
    (tmp_path / "models" / "alpha-2").mkdir()
    (tmp_path / "models" / "alpha.txt").write_text("no folder")
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await type_in(app, pilot, "./mo")
        field = app.screen.query_one(PathInput)
        await pilot.press("tab")
        await until(app, pilot, lambda: field.value == "./models/")
        await pilot.press("tab")
        await until(app, pilot, lambda: field.value == "./models/alpha-")
        assert field.has_focus
        await pilot.press("tab")
        await until(app, pilot, "alpha-1  alpha-2")
        assert field.has_focus
        await pilot.press("2")
        await until(app, pilot, lambda: "alpha-1  alpha-2" not in screen_text(app))
        await pilot.press("tab")
        await until(app, pilot, lambda: field.value == "./models/alpha-2/")
        await pilot.press("tab")
        await until(app, pilot, lambda: not field.has_focus)

    drive(act, app=app)


def test_right_takes_the_suggestion(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await type_in(app, pilot, "./mod")
        await until(app, pilot, "./models/")
        field = app.screen.query_one(PathInput)
        assert field.value == "./mod"
        await pilot.press("right")
        assert field.value == "./models/"

    drive(act, app=app)


def test_browsing_takes_the_folder_that_was_chosen(tmp_path: Path) -> None:
    copy_of_sample(tmp_path / "here")
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "Browse the folders")
        await pilot.press("f3")
        await until(app, pilot, "here/")
        await pilot.press("h", "e", "r", "enter")
        await until(app, pilot, "1.84 M parameters")

    drive(act, app=app)
    assert app.draft.choices["model.path"] == str(tmp_path / "here")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (60, 16)])
def test_a_long_path_shows_its_end_and_all_of_it_can_be_read(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    folder = copy_of_sample(
        tmp_path / "/".join(f"a_long_name_{i:02}" for i in range(9)) / "the_end"
    )
    app = opened(Draft(choices={"model.path": str(folder)}))

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, lambda: app.draft.place is not None)
        line = next(one for one in screen_text(app).split("\n") if "Base model" in one)
        assert line.rstrip().endswith("the_end")
        await until(app, pilot, lambda: app.pane.query_one(Paper).whole != ())
        whole = app.pane.query_one(Paper).whole
        text = "".join("".join(run for run, _ in drawn) for drawn in whole)
        assert str(folder) in "".join(text.split())
        assert len(app.screen.query("*")) < 60

    drive(act, app=app, size=size)


def test_every_control_is_reached_by_keys(tmp_path: Path) -> None:
    app = opened(demo_draft())

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, lambda: isinstance(app.focused, NextBar))
        wanted = {widget for widget in app.screen.query("*") if widget.can_focus and widget.display}
        reached = set()
        for _number in range(len(wanted) + 1):
            reached.add(app.focused)
            await pilot.press("shift+tab")
        assert reached == wanted
        await pilot.press("f1")
        await until(app, pilot, "The base model is what training starts from")

    drive(act, app=app)


def test_the_field_and_the_list_are_of_this_pane() -> None:
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, lambda: isinstance(app.pane, ModelPane))
        assert len(app.screen.query(Input)) == 1

    drive(act, app=app)


def test_the_keys_that_are_shown_work_while_somebody_types() -> None:
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "F10 leave")
        await until(app, pilot, "F1 help")
        await pilot.press("shift+tab")
        await until(app, pilot, "q leave")
        await until(app, pilot, "? help")

    drive(act, app=app)
