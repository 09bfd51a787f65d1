"""Scenes of the wizard's second step: the base model."""

from __future__ import annotations

from engine.errors import TailfinError
from tests.tui.gallery.boxes import GOOD, RTX_4090
from tests.tui.gallery.course import MODEL
from tests.tui.gallery.models import (
    CACHED,
    LOCAL,
    ON_HUB,
    RECENT,
    answer,
    found,
    gated,
    missing,
)
from tests.tui.gallery.scene import PASTE, Scene, Stage, scene
from tui.draft import Draft
from tui.model_lookup import Found
from tui.screens.wizard import WizardScreen


def _asked(stage: Stage, name: str, said: Found | TailfinError | None, ready: str) -> Scene:
    """The step with a model named in it already, and what is said about it."""
    answer(stage, said)
    draft = Draft(box=GOOD, card=RTX_4090)
    draft = draft.choose("model.path", name) if name else draft
    return Scene(lambda: WizardScreen(draft, "model"), ready)


@scene
def model_empty(stage: Stage) -> Scene:
    return _asked(stage, "", None, "llama".title())


@scene
def model_first_time(stage: Stage) -> Scene:
    made = _asked(stage, "", None, "embedded")
    stage.set("tui.panes.model.recent_models", lambda runs: RECENT[-1:])
    return made


@scene
def model_hub(stage: Stage) -> Scene:
    return _asked(stage, MODEL, found(ON_HUB, has_template=None), "Download")


@scene
def model_cached(stage: Stage) -> Scene:
    return _asked(stage, MODEL, found(CACHED), "in the cache")


@scene
def model_local(stage: Stage) -> Scene:
    return _asked(stage, LOCAL.path, found(LOCAL, has_template=False), "no chat template")


@scene
def model_checking(stage: Stage) -> Scene:
    return _asked(stage, MODEL, None, "Asking")


@scene
def model_missing(stage: Stage) -> Scene:
    return _asked(stage, "Qwen/Qwen3-1.7", missing(), "Did you mean")


@scene
def model_gated(stage: Stage) -> Scene:
    return _asked(stage, "meta-llama/Llama-3.2-3B-Instruct", gated(), "licence")


@scene
def model_token(stage: Stage) -> Scene:
    """Somebody pasted a token where a model is asked for."""
    made = _asked(stage, "", None, "embedded")
    return Scene(made.opens, made.ready, [(f"{PASTE}hf_{'a' * 34}", "taken out")])
