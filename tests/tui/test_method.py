"""The method step: settings with their sources, edits, suggestions, and memory that follows."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.bundled import bundled
from engine.data.inspect import Inspection, Inspector
from engine.fields import all_fields, applies
from engine.memory.budget import Budget
from engine.memory.cards import Card, find_card
from engine.memory.model_config import read_config
from engine.memory.model_shape import read_shape
from tests.tui.pilots import drive, screen_lines, screen_text, until
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.draft import Draft, demo_draft
from tui.panes.advice import Advice, Question
from tui.panes.method import MethodPane
from tui.screens.help import HelpScreen
from tui.widgets.next_bar import NextBar
from tui.widgets.rows import Rows
from tui.widgets.settings import SettingRows
from tui.widgets.value_input import ValueInput

SAMPLES = bundled("samples")
RAM = Card("RAM", 16.0, (0, 0), 0.0, is_gpu=False, taken_gib=4.0)
SIZES = [(80, 24), (120, 40), (60, 16), (200, 50)]
Keys = Pilot[list[str]]
SEVEN_B: dict[str, object] = {
    "model_type": "qwen2",
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


TOO_MUCH = {"train.method": "lora", "train.micro_batch": 8}


def draft_of(choices: Mapping[str, object] | None = None) -> Draft:
    """The embedded model and data on a machine without a GPU."""
    model, data = str(SAMPLES / "model"), str(SAMPLES / "good.jsonl")
    chosen: dict[str, object] = {"model.path": model, "data.path": data, **(choices or {})}
    return Draft(choices=chosen, card=RAM, shape=read_shape(read_config(model).config))


def large_draft(card: str, choices: Mapping[str, object] | None = None) -> Draft:
    """A model of 7.6 B parameters on a card from the table, rows of 4096 tokens."""
    chosen: dict[str, object] = {"model.path": "owner/large", "data.path": "rows.jsonl"}
    chosen |= {"data.max_length": 4096, **(choices or {})}
    return Draft(choices=chosen, card=find_card(card), shape=read_shape(SEVEN_B))


def opened(draft: Draft) -> WizardApp:
    return WizardApp(draft, "method")


def method(app: WizardApp) -> MethodPane:
    assert isinstance(app.pane, MethodPane)
    return app.pane


def settings(app: WizardApp) -> SettingRows:
    return app.pane.query_one(SettingRows)


def row(app: WizardApp, path: str) -> str:
    """A setting's line as it is drawn."""
    found = next(row for row in settings(app).rows if row.key == path)
    return " ".join("".join(text for text, _ in found.drawn).split())


def memory(app: WizardApp) -> str:
    return method(app).query_one("#memory").text  # type: ignore[attr-defined, no-any-return]


def chosen(app: WizardApp, path: str) -> object:
    return app.draft.choices.get(path)


def inspected(draft: Draft) -> Inspection:
    reader = Inspector()
    reader.start(draft.text("data.path"))
    found = reader.result()
    assert isinstance(found, Inspection)
    return found


async def at(app: WizardApp, pilot: Keys, path: str) -> None:
    """Put the cursor on a setting."""
    await until(app, pilot, lambda: bool(app.screen.query(SettingRows)) and "GiB" in memory(app))
    rows = settings(app)
    rows.focus()
    rows.choose(path)
    await pilot.pause()
    assert rows.key == path


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


def test_what_suits_the_card_is_suggested_with_its_reason() -> None:
    app = opened(large_draft("RTX 3060 12GB"))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "profile")
        assert row(app, "profile") == "profile qlora suggested"
        assert "16-bit weights need" in screen_text(app)
        assert app.draft.suggestions
        # who chooses wins, and the rest is suggested anew
        await at(app, pilot, "train.micro_batch")
        await pilot.press("3", "enter")
        assert row(app, "train.micro_batch") == "micro-batch 3 you"
        assert all(one.path != "train.micro_batch" for one in app.draft.suggestions)

    drive(act, app=app)


def test_a_profile_that_was_chosen_is_kept_whole() -> None:
    # So few rows that another batch would be suggested.
    draft = replace(demo_draft(), card=RAM).choose(
        "data.path", str(SAMPLES / "formats/alpaca.json")
    )
    app = opened(replace(draft, inspection=inspected(draft)))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "profile")
        spec = app.draft.resolve().spec
        assert (spec.train.epochs, spec.train.learning_rate) == (5.0, 0.005)
        assert spec.train.micro_batch * spec.train.accumulation == 16

    drive(act, app=app)


def test_what_does_not_fit_is_said_and_the_first_fix_applied_with_a_key() -> None:
    app = opened(large_draft("RTX 4090", TOO_MUCH))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "profile")
        assert "FAIL" in memory(app)
        assert "does not fit" in memory(app)
        assert "!" in memory(app)
        # it warns here; the review asks before it starts
        assert app.pane.stop == ""
        fixes = app.pane.query_one("#fixes", Rows)
        first = "".join(text for text, _ in fixes.rows[0].drawn)
        assert "fits" in first
        await pilot.press("f")
        await until(app, pilot, lambda: "OK " in memory(app) or "WARN" in memory(app))
        assert app.draft.choices["train.micro_batch"] != 8

    drive(act, app=app)


def test_another_fix_is_chosen_from_the_list() -> None:
    app = opened(large_draft("RTX 4090", TOO_MUCH))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "profile")
        await pilot.press("tab")
        fixes = app.pane.query_one("#fixes", Rows)
        assert app.focused is fixes
        says = "".join(text for text, _ in fixes.rows[1].drawn)
        await pilot.press("down", "enter")
        assert "micro-batch 1" in says
        assert chosen(app, "train.micro_batch") == 1
        assert not fixes.display
        await until(app, pilot, lambda: isinstance(app.focused, NextBar))

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


def test_a_count_that_comes_late_is_waited_for() -> None:
    draft = draft_of()
    counting = Inspector()
    counting.start(draft.text("data.path"), model=draft.text("model.path"))
    app = opened(replace(draft, inspection=inspected(draft), counting=counting))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await until(app, pilot, "Tokens are not counted yet: 512 per row are assumed.")
        await until(
            app, pilot, lambda: row(app, "data.max_length") == "maximum length 128 suggested", 60
        )
        assert "Tokens are not counted yet" not in screen_text(app)

    drive(act, app=app)
    assert app.draft.inspection is not None
    assert app.draft.inspection.tokens is not None


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
        shown = [line for line in lines if "profile lora" in line or "default" in line]
        assert len(shown) >= 4
        assert any("[ Continue" in line for line in lines)
        assert max(len(line) for line in lines) <= size[0]
        assert len(app.screen.query("*")) < 60

    drive(act, app=app, size=size)


def test_the_estimate_is_quick_enough_for_every_key() -> None:
    import time

    from tui.panes.prediction import memory_of

    draft = large_draft("RTX 4090")
    spec = draft.resolve().spec
    assert isinstance(memory_of(draft, spec), Budget)
    spent = []
    for _ in range(20):
        began = time.process_time()
        memory_of(draft, spec)
        spent.append(time.process_time() - began)
    assert min(spent) < 0.02


def test_many_keys_wait_for_no_advice_and_the_newest_gets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []
    may_answer = threading.Event()
    answer = Question.answer

    def slow(question: Question) -> Advice:
        asked.append(question.draft.choices.get("train.rank"))
        assert threading.current_thread() is threading.main_thread() or may_answer.wait(20)
        return answer(question)

    app = opened(large_draft("RTX 4090", TOO_MUCH))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.rank")
        monkeypatch.setattr(Question, "answer", slow)
        await pilot.press("1", "2", "8")
        assert chosen(app, "train.rank") == 128
        assert len(asked) <= 1
        may_answer.set()
        await until(app, pilot, lambda: asked[-1] == 128)
        assert len(asked) <= 2

    drive(act, app=app)


def test_going_on_takes_the_advice_for_what_stands_there(monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer = threading.Event()
    answer = Question.answer

    def slow(question: Question) -> Advice:
        assert threading.current_thread() is threading.main_thread() or may_answer.wait(20)
        return answer(question)

    app = opened(large_draft("RTX 3060 12GB"))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.micro_batch")
        monkeypatch.setattr(Question, "answer", slow)
        before = app.draft.suggestions
        await pilot.press("3", "enter")
        assert app.draft.suggestions == before
        await pilot.press("ctrl+n")
        await until(app, pilot, lambda: app.wizard.step == "review")
        assert all(one.path != "train.micro_batch" for one in app.draft.suggestions)
        may_answer.set()

    drive(act, app=app)


def test_a_way_out_of_before_the_last_key_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer = threading.Event()
    answer = Question.answer

    def slow(question: Question) -> Advice:
        assert threading.current_thread() is threading.main_thread() or may_answer.wait(20)
        return answer(question)

    app = opened(large_draft("RTX 4090", TOO_MUCH))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.micro_batch")
        monkeypatch.setattr(Question, "answer", slow)
        await pilot.press("1", "enter")  # with that it fits
        await pilot.press("f")
        assert chosen(app, "train.micro_batch") == 1
        assert "OK " in memory(app)
        assert not app.pane.query_one("#fixes", Rows).display
        may_answer.set()

    drive(act, app=app)


def test_the_folder_of_a_spec_file_is_cut_at_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / ("long" * 20) / "mine.toml"
    draft = draft_of()
    app = opened(replace(draft, filed={"train.rank": 4}, file_name=str(file)))

    async def act(_: TailfinApp, pilot: Keys) -> None:
        await at(app, pilot, "train.rank")
        assert row(app, "train.rank").endswith("mine.toml")

    drive(act, app=app)
