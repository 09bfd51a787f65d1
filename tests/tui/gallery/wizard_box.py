"""Scenes of the wizard's first step: this box."""

from __future__ import annotations

from tests.tui.gallery.boxes import CPU_ONLY, FAILING, GOOD, RAM, RTX_4090, be_on
from tests.tui.gallery.scene import Scene, Stage, scene
from tui.draft import Draft
from tui.screens.wizard import WizardScreen


def _wizard() -> WizardScreen:
    return WizardScreen(Draft())


@scene
def box_gpu(stage: Stage) -> Scene:
    be_on(stage, GOOD, RTX_4090)
    return Scene(_wizard, "This box can train")


@scene
def box_cpu(stage: Stage) -> Scene:
    be_on(stage, CPU_ONLY, RAM)
    return Scene(_wizard, "CPU only")


@scene
def box_failing(stage: Stage) -> Scene:
    be_on(stage, FAILING, RAM)
    return Scene(_wizard, "cannot train yet")


@scene
def box_warning(stage: Stage) -> Scene:
    be_on(stage, FAILING, RAM)
    return Scene(_wizard, "cannot train yet", [("down down down down", "- WARN")])


@scene
def box_copied(stage: Stage) -> Scene:
    be_on(stage, FAILING, RAM)
    return Scene(_wizard, "cannot train yet", [("c", "Copied")])


@scene
def box_checking(stage: Stage) -> Scene:
    be_on(stage, GOOD, RTX_4090)
    stage.set("engine.doctor.box.gather", lambda host, early=None: stage.wait())
    return Scene(_wizard, "Checking GPU")
