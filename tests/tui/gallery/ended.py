"""Scenes of runs that ended badly, explained by the engine itself, and of going on from there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine.errors import TailfinError
from engine.runs.checkpoints import Checkpoint
from engine.runs.ending import Ending, explain_ending
from engine.runs.events import Body, Exited, Failed, encode
from engine.runs.events import Stage as RunStage
from engine.runs.full_disk import FullDisk
from engine.runs.resume import ResumePlan
from engine.runs.state import Observed
from engine.runs.store import RunFolder
from tests.runs.ended_run import write_spec, write_trace
from tests.tui.gallery.boxes import GOOD, RTX_4090, be_on
from tests.tui.gallery.course import DATA, PLAN, Course, log_lines, trained
from tests.tui.gallery.models import QWEN_8B_CONFIG, QWEN_CONFIG
from tests.tui.gallery.scene import NOW, Scene, Stage, scene
from tui.screens.failure import FailureScreen

_ID = "20261124-145600-support-bot"
_START = NOW - 1440
_GIB = 2**30
_OOM = (
    "CUDA out of memory. Tried to allocate 1.16 GiB. GPU 0 has a total capacity of 23.52 GiB of "
    "which 812.06 MiB is free. Including non-PyTorch memory, this process has 22.70 GiB memory in "
    "use. Of the allocated memory 21.02 GiB is allocated by PyTorch, and 1.23 GiB is reserved by "
    "PyTorch but unallocated."
)


def _folder(
    stage: Stage, course: Course, *, config: dict[str, object], **train: object
) -> RunFolder:
    """The folder of a run that left this log, in a runs folder of the scene's own."""
    home = Path.home()
    stage.patch.setenv("TAILFIN_RUNS", str(home / "runs"))
    stage.set("engine.runs.state.host_name", lambda: "gpu-box")
    stage.set("engine.runs.state.boot_id", lambda: "b")
    be_on(stage, GOOD, RTX_4090)
    model = home / "config.json"
    model.write_text(json.dumps(config), encoding="utf-8")
    run = RunFolder(home / "runs" / _ID)
    settings: dict[str, object] = {"micro_batch": 4, "accumulation": 4} | train
    data: dict[str, object] = {"path": DATA, "max_length": PLAN.max_length}
    write_spec(run, model={"path": str(model)}, data=data, train=settings)
    run.events.write_bytes(b"".join(encode(event) for event in course.events))
    run.worker_log.write_text("\n".join(log_lines(course)), encoding="utf-8")
    return run


def _explained(stage: Stage, run: RunFolder, *, kept_step: int = 0) -> None:
    """Name the folder as if it lay on a rented box's volume, and its checkpoint as a real one."""
    kept = Checkpoint(run.checkpoints / f"checkpoint-{kept_step}", kept_step, 209_715_200)
    stage.set("engine.runs.ending.last_checkpoint", lambda folder: kept if kept_step else None)

    def said(text: str) -> str:
        return text.replace(str(Path.home()), "/workspace/tailfin")

    def explain(run: RunFolder, observed: Observed) -> Ending:
        ending = explain_ending(run, observed)
        actions = tuple(
            replace(one, says=said(one.says), command=said(one.command)) for one in ending.actions
        )
        evidence = tuple(said(line) for line in ending.evidence)
        return replace(ending, kept=said(ending.kept), evidence=evidence, actions=actions)

    stage.set("engine.runs.ending.explain_ending", explain)


def _failure(
    stage: Stage,
    course: Course,
    ready: str,
    *steps: tuple[str, str],
    kept_step: int = 0,
    config: dict[str, object] = QWEN_CONFIG,
    prepare: Callable[[RunFolder], object] | None = None,
    **train: object,
) -> Scene:
    run = _folder(stage, course, config=config, **train)
    if prepare is not None:
        prepare(run)
    _explained(stage, run, kept_step=kept_step)
    return Scene(lambda: FailureScreen(run), ready, steps, now=course.now + 60)


def _ended(until: int, *bodies: Body) -> Course:
    return trained(_START, until).add(*bodies, after_s=1.0)


def _oom(phase: str, step: int) -> Failed:
    said = f"Memory ran out during {phase}, after step {step}: {_OOM}"
    return Failed("oom", phase, said, "", step=step, exit_code=3)


@scene
def failure_oom(stage: Stage) -> Scene:
    course = _ended(40, _oom("backward", 40))
    return _failure(
        stage,
        course,
        "Out of GPU memory",
        config=QWEN_8B_CONFIG,
        micro_batch=8,
        accumulation=2,
    )


@scene
def failure_oom_in_load(stage: Stage) -> Scene:
    course = Course(_START).begin().add(_oom("load", 0), after_s=4.0)
    config = {**QWEN_8B_CONFIG, "num_hidden_layers": 64, "hidden_size": 5120}
    return _failure(stage, course, "while the model was loaded", config=config)


@scene
def failure_killed(stage: Stage) -> Scene:
    said = "The kernel killed the worker: the container's memory limit was reached."
    return _failure(stage, _ended(77, Exited(-9, "SIGKILL", 1, said)), "Out of RAM")


@scene
def failure_disk(stage: Stage) -> Scene:
    said = "The disk was full: checkpoints/checkpoint-180 could not be written."
    course = _ended(180, RunStage("save"), Failed("disk", "save", said, "", step=180))
    disk = FullDisk("/workspace", 31 * 2**20, 100 * _GIB, 41 * _GIB, 38 * _GIB, 3)
    stage.set("engine.runs.full_disk.look_at_disk", lambda *said: disk)
    return _failure(stage, course, "The disk was full", kept_step=180)


@scene
def failure_gpu_lost(stage: Stage) -> Scene:
    said = "RuntimeError: CUDA error: GPU is lost"
    course = _ended(415, Failed("gpu", "forward", said, "", step=415))
    return _failure(stage, course, "The GPU was lost", kept_step=360)


@scene
def failure_input(stage: Stage) -> Scene:
    said = (
        "The model folder /workspace/models/qwen3-8b cannot be used: 1 of 5 weight files named in "
        "model.safetensors.index.json are missing (model-00004-of-00005.safetensors)."
    )
    hint = "Copy the missing files, or name the hub model and let it be downloaded."
    course = Course(_START).begin().add(Failed("input", "load", said, hint), after_s=1.0)
    return _failure(stage, course, "Its input could not be used")


@scene
def failure_crash(stage: Stage) -> Scene:
    said = "KeyError during train: 'labels'"
    course = _ended(3, Failed("crash", "train", said, "", 3, "report/trace-20260101-000000.txt"))
    trace = "Traceback (most recent call last):\n  ...\nKeyError: 'labels'\n"
    return _failure(stage, course, "It crashed", prepare=lambda run: write_trace(run, trace))


@scene
def failure_restarted(stage: Stage) -> Scene:
    """The box was restarted while the run was at work."""
    course = trained(_START, 415)
    made = _failure(stage, course, "restarted", kept_step=360)
    stage.set("engine.runs.state.boot_id", lambda: "another")
    return made


@scene
def failure_log(stage: Stage) -> Scene:
    course = _ended(415, Failed("gpu", "forward", "RuntimeError: CUDA error: GPU is lost", "", 415))
    made = _failure(stage, course, "The GPU was lost", kept_step=360)
    stage.set("tui.screens.reading.clip_start", lambda text, width: f"runs/{_ID}/worker.log")
    return replace(made, steps=[("l", "worker.log")])


def _resume(stage: Stage, ready: str, answer: ResumePlan | TailfinError) -> Scene:
    def prepare(run: RunFolder, asked: object, *, force: bool = False) -> ResumePlan:
        if isinstance(answer, TailfinError):
            raise answer
        return answer

    made = failure_oom(stage)
    stage.set("engine.runs.resume.prepare_resume", prepare)
    return replace(made, steps=[("h", ready)])


@scene
def resume_halved(stage: Stage) -> Scene:
    from engine.runs.effective import effective_spec

    scene = failure_oom(stage)
    run = RunFolder(Path.home() / "runs" / _ID)
    changes: dict[str, object] = {"train.micro_batch": 4, "train.accumulation": 4}
    plan = ResumePlan(run, effective_spec(run, {}), changes, 0, 2)
    stage.set("engine.runs.resume.prepare_resume", lambda *said, **how: plan)
    return replace(scene, steps=[("h", "becomes")])


@scene
def resume_elsewhere(stage: Stage) -> Scene:
    """Another box may still be at work on it."""
    error = TailfinError(
        "It ran on a100-7, this is gpu-box; its last event is 31 s old. It may still be running "
        "there.",
        "Stop it there first, or wait two minutes, or add --force if that box is gone.",
    )
    return _resume(stage, "resume here", error)
