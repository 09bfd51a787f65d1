"""Scenes of the wizard's fourth step: method, settings, memory."""

from __future__ import annotations

from dataclasses import replace

from engine.memory.cards import Card
from tests.tui.gallery.boxes import CPU_ONLY, RAM, RTX_4090
from tests.tui.gallery.course import DATA
from tests.tui.gallery.files import SUPPORT, read_here
from tests.tui.gallery.models import BIG, found
from tests.tui.gallery.scene import Scene, Stage, scene
from tests.tui.gallery.wizard_data import draft_with_model
from tests.tui.scripted_simulation import ScriptedWorker
from tui.draft import Draft
from tui.options import Options
from tui.screens.wizard import WizardScreen

# From the bar up into the list, and there to the rank.
_TO_RANK = "up home down down down down down"
SMALL_CARD = Card("Tesla T4", 14.6, (7, 5), 0.3, taken_gib=0.2)


def draft_with_data(card: Card = RTX_4090) -> Draft:
    """What the first three steps leave behind."""
    draft = draft_with_model().choose("data.path", DATA)
    return replace(draft, inspection=SUPPORT, card=card)


def big_draft(card: Card = RTX_4090) -> Draft:
    """The same with eight billion parameters."""
    draft = draft_with_data(card).choose("model.path", BIG.path)
    return replace(draft, place=BIG, shape=found(BIG).shape, inspection=SUPPORT)


def _method(stage: Stage, draft: Draft, ready: str = "fits") -> Scene:
    read_here(stage)
    return Scene(lambda: WizardScreen(draft, "method"), ready)


@scene
def method_fits(stage: Stage) -> Scene:
    return _method(stage, draft_with_data())


@scene
def method_tight(stage: Stage) -> Scene:
    draft = draft_with_data().choose("train.micro_batch", 4)
    draft = draft.choose("train.gradient_checkpointing", False).choose("data.max_length", 1536)
    return _method(stage, draft, "tight")


@scene
def method_too_much(stage: Stage) -> Scene:
    draft = big_draft().choose("train.method", "lora").choose("train.micro_batch", 8)
    return _method(stage, draft.choose("data.max_length", 4096), "does not fit")


@scene
def method_cpu(stage: Stage) -> Scene:
    draft = replace(draft_with_data(RAM), box=CPU_ONLY)
    return _method(stage, draft, "RAM")


@scene
def method_all(stage: Stage) -> Scene:
    made = _method(stage, draft_with_data())
    return Scene(made.opens, made.ready, [("up a end", "Checkpoints")])


@scene
def method_editing(stage: Stage) -> Scene:
    made = _method(stage, draft_with_data())
    keys = f"{_TO_RANK} enter backspace backspace 3 2"
    return Scene(made.opens, made.ready, [(keys, "as it was")])


@scene
def method_fault(stage: Stage) -> Scene:
    """A value that the setting does not take."""
    made = _method(stage, draft_with_data())
    keys = f"{_TO_RANK} enter backspace backspace minus 1"
    return Scene(made.opens, made.ready, [(keys, "Correct this")])


@scene
def method_ascii(stage: Stage) -> Scene:
    made = _method(stage, draft_with_data())
    return Scene(made.opens, made.ready, options=Options(ascii_only=True))


@scene
def method_simulating(stage: Stage) -> Scene:
    """The estimate stands while the simulation runs."""
    made = _method(stage, draft_with_data())
    stage.set("engine.memory.simulator.start_worker", lambda: ScriptedWorker(stage.wait))
    return Scene(made.opens, "simulating ...")


@scene
def method_no_stack(stage: Stage) -> Scene:
    made = _method(stage, draft_with_data())
    said = ("There is no training stack here: torch is not installed.", "Run: tailfin setup")
    stage.set("engine.memory.simulator.start_worker", lambda: ScriptedWorker(problem=said))
    return Scene(made.opens, "no training stack")


@scene
def method_not_counted(stage: Stage) -> Scene:
    """The tokens are still being counted when a person gets here."""
    read_here(stage, holds="tokens")
    draft = replace(draft_with_data(), inspection=replace(SUPPORT, tokens=None))
    return Scene(lambda: WizardScreen(draft, "method"), "not counted yet")
