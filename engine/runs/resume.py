"""What a resume changes: what was asked for, and after out of memory what makes it fit."""

from __future__ import annotations

import json
from collections.abc import Mapping

from engine.errors import EXIT_NO, EXIT_OOM, TailfinError
from engine.runs.state import LIVE, Observed
from engine.spec import Spec

# Where memory ran out in a way that fewer rows at once can cure.
_STEP_PHASES = ("train", "forward", "backward", "optimizer")
# Settings a run can take up in the middle; all others make another model, optimizer or data set.
# Paths are among them because a run moved to another box finds its files elsewhere.
_RESUMABLE = {
    "model.path", "model.revision", "model.attention", "data.path", "data.eval_path",
    "data.max_length", "data.num_proc", "train.learning_rate", "train.schedule", "train.warmup",
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
# All changes of a run travel in one event of 4 KiB.
_MAX_BYTES = 1000


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

    The micro-batch goes to the largest part of at most half that divides the effective batch, so
    that the data order and the number of steps stay what they were. At micro-batch 1 gradient
    checkpointing is turned on instead. After one in evaluation only the evaluation batch shrinks.
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
        rows = train.micro_batch * train.accumulation
        fewer = next(n for n in range(train.micro_batch // 2, 0, -1) if rows % n == 0)
        return {"train.micro_batch": fewer, "train.accumulation": rows // fewer}
    if failed.phase in _STEP_PHASES and not train.gradient_checkpointing:
        return {"train.gradient_checkpointing": True}
    raise TailfinError(
        f"Memory ran out during {failed.phase} with a micro-batch of 1 row already.",
        "Choose what may change, for example: "
        f"tailfin resume {run_id} --set data.max_length=N; or start anew with --method qlora.",
        exit_code=EXIT_OOM,
    )
