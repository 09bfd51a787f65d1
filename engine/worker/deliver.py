"""Puts the result of a training where every later stage looks for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from engine.runs.checkpoints import read_checkpoint
from engine.worker.job import Job

# What belongs to resuming, not to a result.
_RESUME_ONLY = (
    "optimizer.pt", "scheduler.pt", "rng_state*.pth", "scaler.pt", "trainer_state.json",
    "training_args.bin", "manifest.json",
)  # fmt: skip


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
