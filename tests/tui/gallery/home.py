"""Scenes of home: without runs, and with runs in every state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import TailfinError
from engine.runs.events import Exited, Failed, Finished, Stopped
from engine.runs.state import Observed
from engine.runs.status import Status
from engine.runs.store import RunFolder
from tests.tui.gallery.course import DATA, MODEL, STEPS, Course, make_step, trained
from tests.tui.gallery.scene import NOW, ROOT, Scene, Stage, scene
from tui.options import Options
from tui.runs_view import RunsView, RunView
from tui.screens.home import HomeScreen

SECOND = Path("/home/mia/try/runs")
_DAY = 86_400.0


def show_runs(stage: Stage, runs: Sequence[RunView], roots: Sequence[Path] = (ROOT,)) -> None:
    """Let home find these runs in these folders."""

    class Watcher:
        seen: RunsView | None = None

        def __init__(self, chosen: str | None) -> None:
            assert chosen is None

        def look(self, tell: Callable[[RunsView], None]) -> RunsView:
            return RunsView(tuple(runs), tuple(roots))

    stage.set("tui.runs_view.RunsWatcher", Watcher)


def a_run(
    name: str,
    observed: Observed,
    *,
    root: Path = ROOT,
    model: str = MODEL,
    data: str = DATA,
    method: str = "lora",
) -> RunView:
    losses = tuple(step.loss for step in observed.status.steps)
    return RunView(RunFolder(root / name), observed, model, data, method, losses)


def every_state() -> list[RunView]:
    """Ten runs: each state once or twice, one with a Chinese name, one that cannot be read."""
    running = trained(NOW - 1440, 640)
    starting = Course(NOW - 12).begin()
    done = trained(NOW - 3 * 3600, STEPS)
    said = "Trained 900 steps. Delivered step 540, held-out loss 0.8571."
    done.add(Finished(STEPS, "adapter", said))
    chinese = trained(NOW - 5 * 3600, STEPS).add(Finished(STEPS, "adapter", said))
    stopped = trained(NOW - _DAY, 415).add(
        Stopped(415, "A person asked it to stop.", "checkpoints/checkpoint-415")
    )
    oom = trained(NOW - 2 * _DAY, 40).add(
        Failed(
            "oom",
            "backward",
            "Memory ran out during backward, after step 40: CUDA out of memory. Tried to allocate "
            "1.16 GiB.",
            "",
            step=40,
        )
    )
    full = trained(NOW - 3 * _DAY, 180).add(
        Failed("disk", "save", "The disk was full while step 180 was saved.", "", step=180)
    )
    killed = trained(NOW - 4 * _DAY, 77).add(
        Exited(-9, "SIGKILL", 1, "The kernel killed the worker: the memory limit was reached.")
    )
    diverged = Course(NOW - 6 * _DAY).begin().prepare()
    for number in range(1, 61):
        loss = 2.4 if number < 30 else 2.4 * 1.31 ** (number - 30) if number < 50 else float("nan")
        diverged.add(make_step(number, loss=loss), after_s=2.1)
    diverged.add(Stopped(60, "The loss was NaN for 10 steps.", ""))
    away = trained(NOW - 9 * _DAY, 120)
    unreadable = TailfinError(f"{ROOT}/20261114-090000-old/events.jsonl could not be read.", "")
    return [
        a_run("20261124-151948-support-bot-r32", starting.observed("starting")),
        a_run("20261124-145600-support-bot", running.observed("running")),
        a_run("20261124-122000-support-bot-r8", done.observed("finished", said)),
        a_run(
            "20261124-102000-客服问答",
            chinese.observed("finished", said),
            data="/workspace/data/客服对话.jsonl",
        ),
        a_run(
            "20261123-152000-legal-de",
            stopped.observed("stopped", "A person asked it to stop."),
            model="meta-llama/Llama-3.2-3B-Instruct",
        ),
        a_run(
            "20261122-152000-long-context",
            oom.observed("failed", _message(oom)),
            model="Qwen/Qwen3-8B",
            method="qlora",
        ),
        a_run("20261121-152000-many-saves", full.observed("failed", _message(full))),
        a_run("20261120-152000-cpu-try", killed.observed("crashed", _message(killed))),
        a_run(
            "20261118-152000-high-rate",
            diverged.observed("stopped", "The loss was NaN for 10 steps."),
        ),
        a_run(
            "20261115-152000-other-box",
            away.observed("elsewhere", "It ran on a100-7; its last event is 9 days old."),
        ),
        a_run(
            "20261114-090000-old",
            Observed("crashed", unreadable.message, Status(), 0),
            model="",
            data="",
            method="",
        ),
    ]


def _message(course: Course) -> str:
    body = course.events[-1].body
    assert isinstance(body, Failed | Exited)
    return body.message


@scene
def home_empty(stage: Stage) -> Scene:
    show_runs(stage, [])
    return Scene(HomeScreen, "Demo")


@scene
def home_runs(stage: Stage) -> Scene:
    show_runs(stage, every_state())
    return Scene(HomeScreen, "20261114-090000-old", [("down", "support-bot  RUNNING")])


@scene
def home_failed_run(stage: Stage) -> Scene:
    show_runs(stage, every_state())
    return Scene(
        HomeScreen, "20261114-090000-old", [("down down down down down", "long-context  FAILED")]
    )


@scene
def home_unreadable_run(stage: Stage) -> Scene:
    show_runs(stage, every_state())
    return Scene(HomeScreen, "20261114-090000-old", [("end", "could not be read")])


@scene
def home_two_folders(stage: Stage) -> Scene:
    runs = every_state()[:4]
    tried = trained(NOW - 8 * _DAY, STEPS).add(Finished(STEPS, "adapter", "Trained 900 steps."))
    runs.append(a_run("20261116-152000-first-try", tried.observed("finished"), root=SECOND))
    show_runs(stage, runs, (ROOT, SECOND))
    return Scene(HomeScreen, "and 1 more", [("end", "first-try  FINISHED")])


@scene
def home_ascii(stage: Stage) -> Scene:
    show_runs(stage, every_state())
    return Scene(HomeScreen, "20261114-090000-old", options=Options(ascii_only=True))


@scene
def home_light(stage: Stage) -> Scene:
    show_runs(stage, every_state())
    return Scene(HomeScreen, "20261114-090000-old", options=Options(theme="light"))


@scene
def home_no_color(stage: Stage) -> Scene:
    stage.patch.setenv("NO_COLOR", "1")
    show_runs(stage, every_state())
    return Scene(HomeScreen, "20261114-090000-old")
