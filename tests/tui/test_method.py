"""The method step: settings with their sources, edits, suggestions, and memory that follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.fields import all_fields, applies
from engine.memory.cards import Card
from tests.tui.method_step import (
    RAM,
    SIZES,
    TOO_MUCH,
    Keys,
    at,
    chosen,
    draft_of,
    large_draft,
    memory,
    opened,
    row,
    settings,
)
from tests.tui.pilots import drive, screen_lines, screen_text, until
from tui.app import TailfinApp
from tui.draft import demo_draft
from tui.screens.help import HelpScreen
from tui.widgets.next_bar import NextBar
from tui.widgets.value_input import ValueInput


def test_values_stand_beside_who_said_them() -> None:
    app = opened(replace(demo_draft(), card=RAM))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "profile")
        assert settings(app).rows[0].key == "profile"
        assert row(app, "name") == "name of the run demo " + app.draft.file_name[-40:] or (
            row(app, "name").endswith("demo.toml")
        )
        assert row(app, "train.rank") == "rank 16 profile cpu-demo"
        await pilot.press("right")
        assert row(app, "profile") == "profile freeze you"

    drive(act, app=app, size=(120, 40))


def test_all_settings_are_shown_on_a_key_and_each_can_be_reached() -> None:
    app = opened(draft_of())

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "profile")
        few = {row.key for row in settings(app).rows}
        await pilot.press("a")
        rows = settings(app)
        keys = [row.key for row in rows.rows if not row.is_heading]
        spec = app.draft.resolve().spec
        elsewhere = {"model.path", "data.path", "data.eval_path", "data.columns", "data.format"}
        assert (
            set(keys) == {one.path for one in all_fields() if applies(one.path, spec)} - elsewhere
        )
        assert few < set(keys)
        assert rows.key not in few  # where there are more now
        await pilot.press("home")
        reached = [rows.key]
        for _step in keys[1:]:
            await pilot.press("down")
            reached.append(rows.key)
        assert reached == keys
        await pilot.press("a")
        assert {row.key for row in rows.rows} == few

    drive(act, app=app)


def test_typing_edits_and_the_memory_follows_every_key() -> None:
    app = opened(draft_of())

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "data.max_length")
        seen = [memory(app)]
        for key in "512":
            await pilot.press(key)
            await until(app, pilot, lambda: memory(app) != seen[-1])
            seen.append(memory(app))
        assert isinstance(app.focused, ValueInput)
        assert chosen(app, "data.max_length") == 512
        await pilot.press("enter")
        await until(app, pilot, lambda: app.focused is settings(app))
        assert row(app, "data.max_length") == "maximum length 512 you"
        assert not app.pane.query_one("#editor").display

    drive(act, app=app)


def test_escape_in_the_line_takes_the_edit_back_and_stays() -> None:
    app = opened(draft_of({"train.rank": 8}))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.rank")
        await pilot.press("6", "4")
        assert chosen(app, "train.rank") == 64
        await pilot.press("escape")
        await until(app, pilot, lambda: app.focused is settings(app))
        assert app.wizard.step == "method"
        assert chosen(app, "train.rank") == 8

    drive(act, app=app)


def test_what_cannot_be_used_stops_and_says_what_is_allowed() -> None:
    app = opened(draft_of())

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.rank")
        await pilot.press("9", "9", "9", "9")
        await until(app, pilot, "rank must be 1 to 1024 (got 9999).")
        assert app.pane.stop == "Correct this: rank."
        # a value that could be used on the way there is kept, what cannot be is not
        assert chosen(app, "train.rank") == 999
        await pilot.press("enter")
        assert isinstance(app.focused, ValueInput)
        await pilot.press("tab", "ctrl+n")
        assert app.wizard.step == "method"
        assert isinstance(app.focused, ValueInput)
        await pilot.press("backspace", "backspace", "enter")
        await until(app, pilot, lambda: app.pane.stop == "")
        assert chosen(app, "train.rank") == 99

    drive(act, app=app)


def test_choices_turn_and_delete_takes_back() -> None:
    app = opened(draft_of())

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.method")
        assert row(app, "train.method").startswith("method lora profile")
        await pilot.press("right")
        assert row(app, "train.method") == "method qlora you"
        await pilot.press("right", "left")
        assert app.draft.choices["train.method"] == "qlora"
        await pilot.press("delete")
        assert "train.method" not in app.draft.choices
        assert row(app, "train.method").startswith("method lora")
        await at(app, pilot, "train.gradient_checkpointing")
        before = app.draft.resolve().spec.train.gradient_checkpointing
        await pilot.press("enter")
        assert app.draft.choices["train.gradient_checkpointing"] is not before

    drive(act, app=app)


def test_settings_that_do_not_go_together_stop() -> None:
    app = opened(draft_of({"train.dora": True}))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.method")
        await pilot.press("left", "left")  # freeze, full
        assert app.draft.choices["train.method"] == "full"
        await until(app, pilot, "train.dora needs an adapter method")
        assert row(app, "train.method") == "method full you"
        assert app.pane.stop == "These settings do not go together."
        await pilot.press("delete")
        await until(app, pilot, lambda: app.pane.stop == "")

    drive(act, app=app)


def test_a_draft_that_never_went_together_can_still_be_mended() -> None:
    app = opened(draft_of({"train.dora": True, "train.method": "full"}))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "train.dora needs an adapter method")
        rows = settings(app)
        rows.focus()
        rows.choose("train.method")
        await pilot.press("delete")
        await until(app, pilot, lambda: app.pane.stop == "")

    drive(act, app=app)


def test_help_is_about_the_row_under_the_cursor() -> None:
    app = opened(draft_of())

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.alpha")
        await pilot.press("question_mark")
        await until(app, pilot, lambda: isinstance(app.screen, HelpScreen))
        await until(app, pilot, "LoRA scale; the update is multiplied by alpha / rank.")
        assert "above 0, at most 4096" in screen_text(app)

    drive(act, app=app)


def test_a_box_that_cannot_be_looked_at_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Card:
        raise OSError(5, "Input/output error", "/proc/meminfo")

    monkeypatch.setattr("engine.memory.device.this_device", refuse)
    app = opened(replace(draft_of(), card=None))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "/proc/meminfo could not be used: Input/output error.")

    drive(act, app=app)


def test_a_text_is_edited_after_enter_and_keys_stay_keys() -> None:
    app = opened(draft_of())

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "name")
        await pilot.press("4")  # a digit edits numbers; on a text it does nothing
        assert app.focused is settings(app)
        await pilot.press("enter", "ctrl+u", "q", "a", "down")
        assert app.draft.choices["name"] == "qa"
        assert settings(app).key == "train.method"
        assert app.focused is settings(app)

    drive(act, app=app)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("card", ["RTX 4090", "A100-80GB"])
def test_every_size_shows_rows_memory_and_the_way_on(size: tuple[int, int], card: str) -> None:
    app = opened(large_draft(card, TOO_MUCH))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, lambda: bool(app.screen.query("#memory")) and "GiB" in memory(app))
        await until(app, pilot, lambda: isinstance(app.focused, NextBar))
        word = "FAIL  Needs" if card == "RTX 4090" else "OK    Needs"
        await until(app, pilot, word)
        lines = screen_lines(app)
        sources = ("profile lora", "default", "you", "suggested")
        shown = [line for line in lines if any(f"  {said}" in line for said in sources)]
        assert len(shown) >= 4
        assert any("[ Continue" in line for line in lines)
        assert max(len(line) for line in lines) <= size[0]
        assert len(app.screen.query("*")) < 60

    drive(act, app=app, size=size)


def test_the_folder_of_a_spec_file_is_cut_at_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / ("long" * 20) / "mine.toml"
    draft = draft_of()
    app = opened(replace(draft, filed={"train.rank": 4}, file_name=str(file)))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.rank")
        assert row(app, "train.rank").endswith("mine.toml")

    drive(act, app=app)
