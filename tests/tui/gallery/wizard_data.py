"""Scenes of the wizard's third step: the data file."""

from __future__ import annotations

from dataclasses import replace

from tests.tui.gallery.boxes import GOOD, RTX_4090
from tests.tui.gallery.course import DATA
from tests.tui.gallery.files import read_here
from tests.tui.gallery.models import CACHED, found
from tests.tui.gallery.scene import Scene, Stage, scene
from tui.draft import Draft
from tui.screens.wizard import WizardScreen


def draft_with_model() -> Draft:
    """What the first two steps leave behind."""
    draft = Draft(box=GOOD, card=RTX_4090).choose("model.path", CACHED.path)
    return replace(draft, place=CACHED, shape=found(CACHED).shape)


def _given(stage: Stage, path: str, ready: str, *, holds: str = "") -> Scene:
    read_here(stage, holds=holds)
    draft = draft_with_model()
    draft = draft.choose("data.path", path) if path else draft
    return Scene(lambda: WizardScreen(draft, "data"), ready)


@scene
def data_empty(stage: Stage) -> Scene:
    return _given(stage, "", "comes with tailfin")


@scene
def data_good(stage: Stage) -> Scene:
    return _given(stage, DATA, "trained on")


@scene
def data_reading(stage: Stage) -> Scene:
    return _given(stage, DATA, "Reading the file", holds="rows")


@scene
def data_counting(stage: Stage) -> Scene:
    return _given(stage, DATA, "counting tokens", holds="tokens")


@scene
def data_mapping(stage: Stage) -> Scene:
    return _given(stage, "samples/formats/question_answer.csv", "> Read the file like this")


@scene
def data_mapping_fault(stage: Stage) -> Scene:
    """The same column twice."""
    made = _given(stage, "samples/formats/question_answer.csv", "> Read the file like this")
    return Scene(made.opens, made.ready, [("up up up up right enter", "the same column")])


@scene
def data_broken(stage: Stage) -> Scene:
    return _given(stage, "samples/broken.jsonl", "cannot be used")


@scene
def data_broken_left_out(stage: Stage) -> Scene:
    made = _given(stage, "samples/broken.jsonl", "cannot be used")
    return Scene(made.opens, made.ready, [("s", "back in")])


@scene
def data_unreadable(stage: Stage) -> Scene:
    return _given(stage, "samples/broken/html_page.json", "FAIL")


@scene
def data_two_layouts(stage: Stage) -> Scene:
    return _given(stage, "samples/broken/mixed_formats.jsonl", "Read it as")


@scene
def data_missing(stage: Stage) -> Scene:
    return _given(stage, "support.jsonl", "FAIL")


@scene
def data_held_out(stage: Stage) -> Scene:
    """A file of held-out rows of its own."""
    made = _given(stage, "samples/good.jsonl", "of the file above")
    draft = draft_with_model().choose("data.path", "samples/good.jsonl")
    draft = draft.choose("data.eval_path", "samples/held_out.jsonl")
    return Scene(lambda: WizardScreen(draft, "data"), made.ready)
