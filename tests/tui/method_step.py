"""The method step, opened on a draft, and what stands in it."""

from __future__ import annotations

from collections.abc import Mapping

from textual.pilot import Pilot

from engine.bundled import bundled
from engine.data.inspect import Inspection, Inspector
from engine.memory.cards import Card, find_card
from engine.memory.model_config import read_config
from engine.memory.model_shape import read_shape
from tests.tui.pilots import until
from tests.tui.wizards import WizardApp
from tui.draft import Draft
from tui.panes.method import MethodPane
from tui.widgets.settings import SettingRows

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
