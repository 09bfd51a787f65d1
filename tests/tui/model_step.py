"""The model step, opened on a draft, and models to find."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from textual.pilot import Pilot

from engine.bundled import bundled
from tests.fake_hub import tiny_files
from tests.tui.pilots import until
from tests.tui.wizards import WizardApp
from tui.draft import Draft
from tui.widgets.paper import Paper
from tui.widgets.path_input import PathInput

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
