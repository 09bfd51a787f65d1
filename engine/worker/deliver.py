"""Puts the result of a training where every later stage looks for it."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.runs.checkpoints import read_checkpoint
from engine.worker.job import Job

if TYPE_CHECKING:
    from engine.worker.watch import Watch

# What belongs to resuming, not to a result.
_RESUME_ONLY = (
    "optimizer.pt", "scheduler.pt", "rng_state*.pth", "scaler.pt", "trainer_state.json",
    "training_args.bin", "manifest.json",
)  # fmt: skip


def choose_step(job: Job, watch: Watch, last: int, *, keep_best: bool) -> int:
    """The checkpoint to deliver: the best one where it is wanted and still whole, else the last.

    Says so when the best is gone, and when what is delivered is worse than the base was.
    """
    chosen = last
    if keep_best and watch.best_step > 0:
        chosen = watch.best_step
        if read_checkpoint(job.run.checkpoints / f"checkpoint-{chosen}") is None:
            job.notice(
                "checkpoint.best-gone",
                "warn",
                f"The best checkpoint, of step {chosen}, is gone or damaged; step {last} was "
                "delivered instead.",
            )
            chosen = last
    loss = watch.losses.get(chosen, math.nan)
    if loss > watch.base_loss:
        job.notice(
            "train.worse-than-base",
            "warn",
            f"Held-out loss is {loss:.4f} after training and was {watch.base_loss:.4f} before: "
            "the base model answers better.",
            "Lower train.learning_rate, or train longer if it was still falling.",
        )
    return chosen


def deliver(job: Job, *, step: int, is_adapter: bool, tokenizer: Any) -> Path:
    """Copy a checkpoint's weights and the tokenizer to `adapter/` or `model/`, whole or not at all.

    The copy is made aside and renamed, and an older result is removed only then.
    """
    source = job.run.checkpoints / f"checkpoint-{step}"
    assert read_checkpoint(source) is not None, f"{source} is not whole"
    target = job.run.adapter if is_adapter else job.run.model
    draft = target.with_name(f"{target.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(
        source, draft, ignore=shutil.ignore_patterns(*_RESUME_ONLY), copy_function=_link_or_copy
    )
    tokenizer.save_pretrained(draft)
    old = target.with_name(f"{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return target


def _link_or_copy(source: str, target: str) -> str:
    """A hard link for big weights (nothing rewrites them in place), a copy for the rest."""
    if source.endswith(".safetensors"):
        try:
            os.link(source, target)
            return target
        except OSError:
            pass
    return shutil.copy2(source, target)
