"""Scenes of the wizard's last step: everything that will be run, before it is run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.doctor.checks import examine
from engine.pace import Pace
from tests.tui.gallery.boxes import CPU_ONLY, FAILING, GOOD, RAM
from tests.tui.gallery.files import SUPPORT, read_here
from tests.tui.gallery.models import FREE_BYTES
from tests.tui.gallery.scene import ROOT, Scene, Stage, scene
from tests.tui.gallery.wizard_method import big_draft, draft_with_data
from tui.draft import Draft
from tui.panes.prediction import suggestions_for
from tui.screens.wizard import WizardScreen

_PACE = Pace(1914.0, 3190.0, "as 20261124-122000-support-bot-r8 went")


def _review(
    stage: Stage, draft: Draft, ready: str = "run folder", *, free: int = FREE_BYTES
) -> Scene:
    read_here(stage)
    stage.set("engine.hub.cache.free_bytes", lambda root: free if root == ROOT else FREE_BYTES)
    stage.set("engine.hub.cache.is_one_volume", lambda *folders: False)
    stage.set("engine.hub.cache.cache_root", lambda: Path("/workspace/hf/hub"))
    stage.set("engine.pace.expected", lambda *said: _PACE)
    stage.set("engine.runs.store.list_runs", lambda chosen=None: [])
    spec = draft.resolve().spec
    draft = replace(draft, suggestions=suggestions_for(draft, spec))
    return Scene(lambda: WizardScreen(draft, "review"), ready)


@scene
def review_ready(stage: Stage) -> Scene:
    clean = replace(SUPPORT, findings=())
    draft = replace(draft_with_data().choose("name", "support-bot"), inspection=clean)
    return _review(stage, replace(draft, groups=tuple(examine(GOOD))), "32 min")


@scene
def review_warnings(stage: Stage) -> Scene:
    draft = replace(draft_with_data(RAM), box=CPU_ONLY, groups=tuple(examine(CPU_ONLY)))
    return _review(stage, draft, "WARN")


@scene
def review_blocked(stage: Stage) -> Scene:
    """A box on which no run would start."""
    draft = replace(draft_with_data(), box=FAILING, groups=tuple(examine(FAILING)))
    return _review(stage, draft, "FAIL", free=900_000_000)


@scene
def review_too_much(stage: Stage) -> Scene:
    """Enter on a run whose memory does not suffice asks first."""
    draft = big_draft().choose("train.method", "lora").choose("train.micro_batch", 8)
    made = _review(stage, draft.choose("data.max_length", 4096), "does not fit")
    return Scene(made.opens, made.ready, [("enter", "Start although")])


@scene
def review_name_fault(stage: Stage) -> Scene:
    made = _review(stage, draft_with_data())
    return Scene(made.opens, made.ready, [("tab end slash", "Correct the name")])


@scene
def review_file(stage: Stage) -> Scene:
    made = _review(stage, draft_with_data().choose("name", "support-bot"))
    return Scene(made.opens, made.ready, [("f", "spec.toml")])


@scene
def review_starting(stage: Stage) -> Scene:
    made = _review(stage, draft_with_data().choose("name", "support-bot"))
    stage.set("tui.panes.review._begin_run", lambda *said: stage.wait())
    return Scene(made.opens, made.ready, [("enter", "then starting")])


@scene
def review_refused(stage: Stage) -> Scene:
    """What speaks against it is found only when it is about to start."""
    from engine.errors import TailfinError

    made = _review(stage, draft_with_data().choose("name", "support-bot"))

    def refuse(*said: object) -> None:
        raise TailfinError(
            "/workspace/data/support.jsonl is not there any more.",
            "Name another file in step 3.",
        )

    stage.set("tui.panes.review._begin_run", refuse)
    return Scene(made.opens, made.ready, [("enter", "any more")])
