"""The second step of the wizard: finding a base model, or saying why it cannot be used."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.fake_hub import FakeHub, FakeModel, connect, fake_hub
from tests.tui.model_step import FILES, SAMPLE, copy_of_sample, facts, opened, type_in
from tests.tui.pilots import drive, until
from tui.app import TailfinApp
from tui.draft import Draft, demo_draft
from tui.model_lookup import Found, look_up
from tui.widgets.next_bar import NextBar
from tui.widgets.path_input import PathInput


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
