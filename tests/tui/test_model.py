"""The second step of the wizard: finding a base model, or saying why it cannot be used."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine.bundled import bundled
from tests.fake_hub import FakeHub, FakeModel, connect, fake_hub, tiny_files
from tests.tui.pilots import drive, screen_text, until
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.draft import Draft, demo_draft
from tui.model_lookup import Found, look_up
from tui.panes.model import ModelPane
from tui.widgets.next_bar import NextBar
from tui.widgets.paper import Paper
from tui.widgets.path_input import PathInput
from tui.widgets.rows import Rows

SAMPLE = bundled("samples") / "model"
SECRET = "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH"
QWEN = {
    "model_type": "qwen2",
    "hidden_size": 896,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "intermediate_size": 4864,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}
FILES = {**tiny_files(), "config.json": json.dumps(QWEN).encode()}


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


def opened(draft: Draft | None = None) -> WizardApp:
    return WizardApp(draft, "model")


async def type_in(app: WizardApp, pilot: Pilot[list[str]], text: str) -> None:
    """Type a text into the field, emptied first; the last characters key by key."""
    await until(app, pilot, lambda: bool(app.screen.query(PathInput)))
    field = app.screen.query_one(PathInput)
    field.focus()
    await pilot.press("ctrl+u")
    field.insert_text_at_cursor(text[:-3])
    await pilot.press(*text[-3:])


def facts(app: WizardApp) -> str:
    """Everything that is said about the model, on one line."""
    return " ".join(app.pane.query_one(Paper).text.split())


def copy_of_sample(folder: Path) -> Path:
    shutil.copytree(SAMPLE, folder)
    return folder


def test_a_folder_is_described_and_enter_goes_on(tmp_path: Path) -> None:
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "Name a base model")
        await type_in(app, pilot, str(SAMPLE))
        await until(app, pilot, lambda: app.draft.place is not None)
        said = facts(app)
        assert "qwen2 with 1.84 M parameters, 4 layers of width 256, context of 512" in said
        assert "stored as float32" in said
        assert "Template its own" in said
        assert "Download" not in said
        # Whoever types keeps the cursor: the next key belongs to the field.
        assert isinstance(app.focused, PathInput)
        assert app.pane.stop == ""
        await pilot.press("enter")
        await until(app, pilot, lambda: app.wizard.step == "data")
        await until(app, pilot, "Data file")

    drive(act, app=app)
    assert app.draft.choices["model.path"] == str(SAMPLE)
    assert app.draft.shape is not None
    assert round(app.draft.shape.params / 1e6, 2) == 1.84


def test_the_demo_is_looked_up_at_once_and_needs_one_enter() -> None:
    app = opened(demo_draft())

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "1.84 M parameters")
        await until(app, pilot, lambda: isinstance(app.focused, NextBar))
        await pilot.press("enter")
        await until(app, pilot, lambda: app.wizard.step == "data")

    drive(act, app=app)
    assert app.draft.choices == {}


def test_a_hub_model_is_told_with_what_is_to_come(hub: FakeHub) -> None:
    model = hub.add(FakeModel("Qwen/Qwen2.5-0.5B", FILES))
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await type_in(app, pilot, "Qwen/Qwen2.5-0.5B")
        await until(app, pilot, lambda: app.draft.place is not None)
        said = facts(app)
        assert "qwen2 with 494 M parameters, 24 layers of width 896" in said
        assert "context of 32,768 tokens" in said
        assert f"Hub Qwen/Qwen2.5-0.5B, commit {model.commit[:12]}" in said
        assert "stored as bfloat16" in said
        assert "when the run starts; " in said
        assert "GiB are free at" in said

    drive(act, app=app)
    assert hub.body_bytes("model.safetensors") == 0


def test_the_answer_about_an_older_name_is_dropped(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(FakeModel("a/first", FILES))
    hub.add(FakeModel("a/first-and-longer", FILES))
    may_answer, has_answered = threading.Event(), threading.Event()

    def held(name: str, revision: str) -> Found:
        found = look_up(name, revision)
        if name == "a/first":
            may_answer.wait(20)
            has_answered.set()
        return found

    monkeypatch.setattr("tui.panes.model.look_up", held)
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await type_in(app, pilot, "a/first")
        await until(app, pilot, "Asking huggingface.co")
        app.screen.query_one(PathInput).insert_text_at_cursor("-and-longer")
        await until(app, pilot, lambda: app.draft.place is not None)
        may_answer.set()
        await until(app, pilot, has_answered.is_set)
        await pilot.pause(0.2)
        assert "a/first-and-longer, commit" in facts(app)

    drive(act, app=app)
    assert app.draft.choices["model.path"] == "a/first-and-longer"


def test_what_was_asked_before_the_next_key_no_longer_counts(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(FakeModel("a/first", FILES))
    may_answer, has_answered = threading.Event(), threading.Event()

    def held(name: str, revision: str) -> Found:
        may_answer.wait(20)
        has_answered.set()
        return look_up(name, revision)

    monkeypatch.setattr("tui.panes.model.look_up", held)
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await type_in(app, pilot, "a/first")
        await until(app, pilot, "Asking huggingface.co")
        monkeypatch.setattr("tui.panes.model._PAUSE_S", 60.0)
        await pilot.press("x")
        may_answer.set()
        await until(app, pilot, has_answered.is_set)
        await pilot.pause(0.5)
        assert app.draft.place is None
        assert app.pane.stop == "The model was not looked up yet."

    drive(act, app=app)


def test_the_wait_is_told_in_seconds_and_the_keys_still_work(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("tui.panes.model.monotonic", lambda: now[0])
    hub.pause_s = 30
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await type_in(app, pilot, "a/slow")
        await until(app, pilot, "Asking huggingface.co ...")
        assert app.pane.stop == "The model is being looked up."
        now[0] = 104.2
        await until(app, pilot, "Asking huggingface.co ... 4 s")
        now[0] = 106.0
        await until(app, pilot, "6 s; it is given up after about 30 s")
        await type_in(app, pilot, str(SAMPLE))
        await until(app, pilot, "1.84 M parameters")

    drive(act, app=app)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("meta/gated", ["model: gated no token", "hf auth login", "/meta/gated"]),
        ("own/adapter", ["model: is adapter", "Name the base model"]),
        ("Qwen/Qwen2.5-0.5", ["model: missing", "Did you mean Qwen/Qwen2.5-0.5B?"]),
        ("no/one/two", ["model: bad name"]),
        ("./nowhere", ["model: missing", "There is no model folder"]),
    ],
)
def test_what_cannot_be_used_is_told_with_what_to_do(
    hub: FakeHub, name: str, words: list[str]
) -> None:
    hub.add(FakeModel("Qwen/Qwen2.5-0.5B", FILES))
    hub.add(FakeModel("meta/gated", FILES, gated=True))
    hub.add(FakeModel("own/adapter", {"adapter_config.json": b"{}"}))
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await type_in(app, pilot, name)
        await until(app, pilot, "FAIL")
        for word in words:
            assert word in facts(app)
        bar = app.screen.query_one(NextBar)
        assert bar.stop == "This model cannot be used as it is."
        await pilot.press("ctrl+n")
        assert app.wizard.step == "model"
        assert isinstance(app.focused, PathInput)

    drive(act, app=app)
    assert app.draft.place is None


def test_enter_asks_again_after_the_hub_was_in_trouble(hub: FakeHub) -> None:
    hub.add(FakeModel("Qwen/Qwen2.5-0.5B", FILES))
    hub.status = 503
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await type_in(app, pilot, "Qwen/Qwen2.5-0.5B")
        await until(app, pilot, "hub: failed")
        hub.status = 0
        await pilot.press("enter")
        await until(app, pilot, "494 M parameters")
        await until(app, pilot, lambda: isinstance(app.focused, NextBar))

    drive(act, app=app)


def test_too_small_a_disk_is_said_before_the_run(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(FakeModel("Qwen/Qwen2.5-0.5B", FILES))
    monkeypatch.setattr("engine.hub.cache.free_bytes", lambda path: 10)
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await type_in(app, pilot, "Qwen/Qwen2.5-0.5B")
        await until(app, pilot, "hub: no space")
        assert "HF_HOME" in facts(app)

    drive(act, app=app)


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


def test_a_user_nobody_knows_is_a_folder_that_is_missing() -> None:
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await type_in(app, pilot, "~nobody-of-that-name/x")
        await until(app, pilot, "There is no model folder")
        await pilot.press("f3")
        await until(app, pilot, "Choose a model's folder")
        await until(app, pilot, "up one folder")

    drive(act, app=app)


def test_a_model_without_template_or_estimate_is_let_through_with_a_warning(
    tmp_path: Path, hub: FakeHub
) -> None:
    folder = copy_of_sample(tmp_path / "bare")
    (folder / "chat_template.jinja").unlink()
    strange = {"model_type": "unheard-of", "auto_map": {"AutoModel": "own.Model"}}
    hub.add(FakeModel("own/strange", {**FILES, "config.json": json.dumps(strange).encode()}))
    app = opened()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await type_in(app, pilot, "./bare")
        await until(app, pilot, "no chat template")
        assert "model.chat_template" in facts(app)
        assert not app.pane.stop
        await type_in(app, pilot, "own/strange")
        await until(app, pilot, "trust_remote_code")
        assert "does not model model_type 'unheard-of'" in facts(app)
        assert not app.pane.stop

    drive(act, app=app)
    assert app.draft.place is not None
    assert app.draft.shape is None


def test_coming_back_keeps_what_was_found_without_asking(hub: FakeHub) -> None:
    hub.add(FakeModel("Qwen/Qwen2.5-0.5B", FILES))
    app = opened()
    num_asked: list[int] = []

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await type_in(app, pilot, "Qwen/Qwen2.5-0.5B")
        await until(app, pilot, lambda: app.draft.place is not None)
        num_asked.append(len(hub.seen))
        await pilot.press("enter")
        await until(app, pilot, "Data file")
        await pilot.press("escape")
        await until(app, pilot, "494 M parameters")
        assert app.screen.query_one(PathInput).value == "Qwen/Qwen2.5-0.5B"
        await until(app, pilot, lambda: isinstance(app.focused, NextBar))
        num_asked.append(len(hub.seen))

    drive(act, app=app)
    assert num_asked[0] == num_asked[1] > 0


def test_a_revision_from_a_file_belongs_to_the_model_of_that_file(hub: FakeHub) -> None:
    model = hub.add(FakeModel("a/filed", FILES))
    hub.add(FakeModel("a/other", {**FILES, "extra.json": b"{}"}))
    filed = {"model.path": "a/filed", "model.revision": model.commit}
    app = opened(Draft(filed=filed, file_name="spec.toml"))

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "494 M parameters")
        await type_in(app, pilot, "a/other")
        await until(app, pilot, lambda: app.draft.place is not None)
        assert app.draft.text("model.revision") == ""
        await type_in(app, pilot, "a/filed")
        await until(app, pilot, lambda: app.draft.place is not None)
        assert app.draft.text("model.revision") == model.commit

    drive(act, app=app)


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
