"""Scenes of what stands over a screen: help, the palette, the picker, and a terminal too small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from engine.data.picker import Entry, Listing
from tests.tui.gallery.home import every_state, show_runs
from tests.tui.gallery.scene import NOW, Scene, Stage, scene, sized
from tests.tui.gallery.watched import watch_late
from tests.tui.gallery.wizard_data import data_empty
from tests.tui.gallery.wizard_method import method_fits
from tests.tui.gallery.wizard_model import model_empty
from tui.screens.home import HomeScreen
from tui.screens.picker import _Seen

_DAY = 86_400.0


def _with(made: Scene, *steps: tuple[str, str]) -> Scene:
    return replace(made, steps=[*made.steps, *steps])


@scene
def help_home(stage: Stage) -> Scene:
    show_runs(stage, every_state())
    return Scene(HomeScreen, "20261114-090000-old", [("question_mark", "Help")])


@scene
def help_setting(stage: Stage) -> Scene:
    """Help while a setting is chosen: that one first."""
    return _with(method_fits(stage), ("up home down down down down down f1", "Help"))


@scene
def help_monitor(stage: Stage) -> Scene:
    return _with(watch_late(stage), ("question_mark", "Help"))


@scene
def palette_home(stage: Stage) -> Scene:
    show_runs(stage, every_state())
    return Scene(HomeScreen, "20261114-090000-old", [("colon", "Commands")])


@scene
def palette_found(stage: Stage) -> Scene:
    show_runs(stage, every_state())
    steps = [("colon", "Commands"), ("d e m", "data filled in")]
    return Scene(HomeScreen, "20261114-090000-old", steps)


@scene
def palette_nothing(stage: Stage) -> Scene:
    show_runs(stage, every_state())
    steps = [("colon", "Commands"), ("x y z", "Nothing here")]
    return Scene(HomeScreen, "20261114-090000-old", steps)


def _pick(stage: Stage, listing: Listing, *, is_model: bool = False) -> None:
    stage.set("tui.screens.picker._look", lambda *said, **how: _Seen(listing, is_model))
    stage.set("tui.screens.picker.time", SimpleNamespace(time=lambda: NOW))


@scene
def picker_data(stage: Stage) -> Scene:
    entries = (
        Entry("archive", True, 0, NOW - 40 * _DAY, ""),
        Entry("raw", True, 0, NOW - 3 * _DAY, ""),
        Entry("contracts-de.parquet", False, 88_231_002, NOW - 2 * _DAY, "Parquet"),
        Entry("faq.csv", False, 181_402, NOW - 12 * _DAY, "CSV"),
        Entry("support.jsonl", False, 9_812_443, NOW - 4000, "JSONL"),
        Entry("support-old.jsonl.gz", False, 1_204_090, NOW - 60 * _DAY, "gzip, unpack first"),
        Entry("客服对话.jsonl", False, 4_410_020, NOW - 8 * _DAY, "JSONL"),
        Entry("notes.txt", False, 2_113, NOW - 9 * _DAY, ""),
    )
    _pick(stage, Listing(Path("/workspace/data"), Path("/workspace"), entries, num_left_out=2))
    return _with(data_empty(stage), ("f3", "support.jsonl"))


@scene
def picker_narrowed(stage: Stage) -> Scene:
    return _with(picker_data(stage), ("s u p p", "supp"))


@scene
def picker_model(stage: Stage) -> Scene:
    entries = (
        Entry("llama-3.2-3b", True, 0, NOW - 20 * _DAY, "model"),
        Entry("qwen3-1.7b-base", True, 0, NOW - 3 * _DAY, "model"),
        Entry("scratch", True, 0, NOW - 500, ""),
        Entry("README.md", False, 940, NOW - 20 * _DAY, ""),
    )
    _pick(stage, Listing(Path("/workspace/models"), Path("/workspace"), entries))
    return _with(model_empty(stage), ("f3", "Use this folder"))


@scene
def picker_refused(stage: Stage) -> Scene:
    said = "You may not look into /root/secret."
    _pick(stage, Listing(Path("/root/secret"), Path("/root"), (), said))
    return _with(data_empty(stage), ("f3", "may not look"))


@sized((50, 12), (30, 8))
def small(stage: Stage) -> Scene:
    show_runs(stage, every_state())
    return Scene(HomeScreen, "needs 60 x 16")


@sized((60, 16), (200, 50))
def home_extremes(stage: Stage) -> Scene:
    show_runs(stage, every_state())
    return Scene(HomeScreen, "starting")


@sized((60, 16), (200, 50))
def method_extremes(stage: Stage) -> Scene:
    return method_fits(stage)
