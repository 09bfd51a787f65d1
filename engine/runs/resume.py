"""Continues a run: what a resume changes, all that is checked before it, and its start."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EXIT_NO, EXIT_OOM, TailfinError
from engine.runs.state import FRESH_S, LIVE, Observed, observe
from engine.runs.store import RunFolder
from engine.spec import Spec

# Where memory ran out in a way that fewer rows at once can cure.
_STEP_PHASES = ("train", "forward", "backward", "optimizer")
# Settings a run can take up in the middle; all others make another model, optimizer or data set.
# Paths are among them because a run moved to another box finds its files elsewhere.
_RESUMABLE = {
    "model.path", "model.revision", "model.attention", "data.path", "data.eval_path",
    "data.max_length", "data.num_proc", "data.max_untrained_share", "data.allow",
    "train.learning_rate", "train.schedule", "train.warmup",
    "train.weight_decay", "train.max_grad_norm", "train.epochs", "train.max_steps",
    "train.micro_batch", "train.accumulation", "train.gradient_checkpointing", "train.log_every",
    "train.dropout", "eval.every_steps", "eval.micro_batch", "eval.patience", "eval.min_delta",
    "eval.keep_best", "save.every_steps", "save.every_minutes", "save.keep",
}  # fmt: skip
# Asking for one of these is an answer to out of memory; nothing is halved on top of it.
_RELIEF = {
    "train.micro_batch", "train.accumulation", "train.gradient_checkpointing", "eval.micro_batch",
    "data.max_length",
}  # fmt: skip
# What names a file or folder of the box the resume is typed on.
_PATHS = {"model.path", "data.path", "data.eval_path"}
# All changes of a run travel in one event of 4 KiB.
_MAX_BYTES = 1000


@dataclass(frozen=True, slots=True)
class ResumePlan:
    """A resume that was checked and not started yet.

    `spec` is what it will train with, `changes` the settings that become other ones (dotted path
    -> value), `from_step` the last whole checkpoint, 0 where there is none.
    """

    run: RunFolder
    spec: Spec
    changes: dict[str, object]
    from_step: int
    attempt: int


def prepare_resume(
    run: RunFolder, asked: Mapping[str, object], *, force: bool = False
) -> ResumePlan:
    """Check everything a resume needs and say what it would change; starts and writes nothing.

    `asked` are settings by dotted path; `force` takes a run over that another box had within the
    last two minutes. Raises TailfinError for a job, a run at work, settings that cannot change in
    the middle, a memory failure without a remedy, and a model or data that are not there any more.
    Can take seconds: checkpoints are hashed, the data is read, a hub model is asked for.
    """
    from engine.runs.checkpoints import last_checkpoint
    from engine.runs.effective import as_changes, effective_spec
    from engine.runs.launch import refuse_if_held
    from engine.runs.preflight import preflight

    if run.is_job:
        raise TailfinError(
            f"{run.id} is a job, not a training.",
            "Call its command again (tailfin export, tailfin eval).",
            where=run.path,
        )
    refuse_if_held(run)
    observed = observe(run)
    status = observed.status
    _refuse_fresh_elsewhere(run, observed, force)
    before = dict(status.changes)
    spec = effective_spec(run, before)
    changes = plan_resume(observed, spec, run.id, _from_here(asked))
    spec = effective_spec(run, before | as_changes(changes))
    # Rows were judged when the run was made; here only that they are still there to be read.
    preflight(spec, run.path.parent, skip_bad_rows=True)
    checkpoint = last_checkpoint(run.checkpoints)
    return ResumePlan(run, spec, changes, checkpoint.step if checkpoint else 0, status.attempt + 1)


def resume_training(plan: ResumePlan) -> None:
    """Start the next attempt, detached; returns once it lives. Raises TailfinError as `launch`."""
    from engine.runs.effective import as_changes
    from engine.runs.launch import launch, worker_command

    words = ["--attempt", str(plan.attempt), "--from-step", str(plan.from_step)]
    words += ["--changes", json.dumps(as_changes(plan.changes))]
    launch(plan.run, worker_command("train", str(plan.run.path), *words))


def is_resumable(paths: Iterable[str]) -> bool:
    """Whether a run can take up all these settings, as dotted paths, in the middle."""
    return _RESUMABLE.issuperset(paths)


def plan_resume(
    observed: Observed, spec: Spec, run_id: str, asked: Mapping[str, object]
) -> dict[str, object]:
    """Settings to change for the next attempt, as dotted paths.

    Raises TailfinError for a live run, for settings that cannot change in the middle, and for a
    memory failure that has no remedy which keeps method, length and data.
    """
    if observed.state in LIVE:
        raise TailfinError(
            f"The run {run_id} is at work (process {observed.worker_pid}).",
            f"Follow it with: tailfin attach {run_id}",
            exit_code=EXIT_NO,
        )
    _refuse_unresumable(asked)
    if observed.state == "finished" and not asked:
        more = "train.max_steps" if spec.train.max_steps else "train.epochs"
        raise TailfinError(
            f"The run {run_id} is finished.",
            f"For more training: tailfin resume {run_id} --set {more}=N",
            exit_code=EXIT_NO,
        )
    relief = {} if _RELIEF & asked.keys() else _memory_relief(observed, spec, run_id)
    return {**relief, **asked}


def fewer_rows(spec: Spec) -> dict[str, object]:
    """The micro-batch cut to the largest part of at most half that divides the effective batch.

    So the order of the data and the number of steps stay what they were. Empty at micro-batch 1.
    """
    train = spec.train
    rows = train.micro_batch * train.accumulation
    fewer = next((n for n in range(train.micro_batch // 2, 0, -1) if rows % n == 0), 0)
    return {"train.micro_batch": fewer, "train.accumulation": rows // fewer} if fewer else {}


def _refuse_fresh_elsewhere(run: RunFolder, observed: Observed, force: bool) -> None:
    age_s = time.time() - observed.status.last_time
    if observed.state == "elsewhere" and age_s < FRESH_S and not force:
        raise TailfinError(
            f"{observed.message} It may still be running there.",
            "Stop it there first, or wait two minutes, or add --force if that box is gone.",
            where=run.path,
            exit_code=EXIT_NO,
        )


def _from_here(asked: Mapping[str, object]) -> dict[str, object]:
    """Local paths made absolute: the worker lives in its run folder, not where they were typed."""
    settings = dict(asked)
    for path in _PATHS & settings.keys():
        written = str(settings[path])
        local = Path(written).expanduser()
        # "" names no file; as a path it would be the current folder
        settings[path] = str(local.resolve()) if written and local.exists() else written
    return settings


def _refuse_unresumable(asked: Mapping[str, object]) -> None:
    fixed = sorted(set(asked) - _RESUMABLE)
    if fixed:
        raise TailfinError(
            f"{', '.join(fixed)} cannot change in the middle of a run.",
            "Start a new run with it: tailfin train ...; a resume can change "
            "the learning rate, its schedule, epochs, batches, length, evaluation and saving.",
            where=fixed[0],
        )
    if len(json.dumps(asked, default=str)) > _MAX_BYTES:
        raise TailfinError(
            "These changes are too long for the run's log.", "Use shorter paths.", where="--set"
        )


def _memory_relief(observed: Observed, spec: Spec, run_id: str) -> dict[str, object]:
    """After a memory failure: fewer rows at once, the same rows per optimizer step.

    At micro-batch 1 gradient checkpointing is turned on instead. After one in evaluation only the
    evaluation batch shrinks.
    """
    failed = observed.status.failed
    if failed is None or failed.error != "oom":
        return {}
    train = spec.train
    eval_rows = spec.eval.micro_batch or train.micro_batch
    if failed.phase == "eval" and eval_rows > 1:
        return {"eval.micro_batch": eval_rows // 2}
    if failed.phase not in (*_STEP_PHASES, "eval"):
        # Loading or saving needs the same however few rows a step takes: try again as it is.
        return {}
    if failed.phase in _STEP_PHASES and train.micro_batch > 1:
        return fewer_rows(spec)
    if failed.phase in _STEP_PHASES and not train.gradient_checkpointing:
        return {"train.gradient_checkpointing": True}
    raise TailfinError(
        f"Memory ran out during {failed.phase} with a micro-batch of 1 row already.",
        "Choose what may change, for example: "
        f"tailfin resume {run_id} --set data.max_length=N; or start anew with --method qlora.",
        exit_code=EXIT_OOM,
    )
