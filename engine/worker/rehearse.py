"""The rehearsal: the longest rows go through a step, an evaluation and a save before step 1.

It measures what the run will need at its worst and how long a step takes, and a card that is too
small says so now. Nothing of it stays: the weights do not move (the optimizer steps at rate 0 over
zero gradients), and gradients, new optimizer states, random generators and counters are put back.
"""

from __future__ import annotations

import gc
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback

from engine.data.text import counted
from engine.runs.events import Rehearsed
from engine.spec import Spec
from engine.worker.device import card_of_process_gib
from engine.worker.job import Job
from engine.worker.trl_seams import Trainer
from engine.worker.virtual_vram import Meter

_GIB = 2**30
# After a first micro-batch as slow as this the second, timed one is left out.
_SLOW_S = 15.0
# A checkpoint above this is not written for a rehearsal; its size is added up from its tensors.
_LARGE_BYTES = 2 * _GIB


class Rehearsal(TrainerCallback):
    """Runs once, when model and optimizer are in place and nothing has been trained.

    `trainer` is set after the trainer exists, `meter` where virtual VRAM counts already.
    """

    trainer: Trainer | None = None
    meter: Meter | None = None

    def __init__(self, job: Job, spec: Spec) -> None:
        self._job = job
        self._spec = spec

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        trainer = self.trainer
        if trainer is None or not self._spec.train.rehearse or trainer.args.world_size > 1:
            return
        began = time.monotonic()
        gauge = _Gauge(trainer, self.meter)
        figures: dict[str, Any] = {}
        with ExitStack() as stack:
            stack.enter_context(_random_state())
            stack.enter_context(trainer.nothing_counted())
            stack.enter_context(gauge)
            try:
                self._rehearse(trainer, gauge, figures)
            except BaseException as error:
                if isinstance(error, torch.OutOfMemoryError):
                    self._tell(gauge, figures, began, phase=self._job.phase)
                raise
            finally:
                _forget(trainer)
        self._tell(gauge, figures, began, phase="")
        self._job.stage("train", f"{state.max_steps} steps")

    def _rehearse(self, trainer: Trainer, gauge: _Gauge, figures: dict[str, Any]) -> None:
        accumulation = self._spec.train.accumulation
        batch = trainer.collated(_longest(trainer.train_dataset, self._spec.train.micro_batch))
        rows, length = (int(size) for size in batch["input_ids"].shape)
        figures.update(rows=rows, length=length, tokens=_num_tokens(batch))
        size = f"{counted(rows, 'row')} of {length:,} tokens"
        print(f"-- rehearse {size}", flush=True)
        first_s = self._micro_batch(trainer, batch)
        optimizer_s = self._optimizer_step(trainer)
        if accumulation == 1:
            trainer.model.zero_grad(set_to_none=True)
        micro_s = first_s if first_s > _SLOW_S else self._micro_batch(trainer, batch)
        gauge.end_of_training()
        step_s = micro_s * accumulation + optimizer_s
        figures.update(
            step_s=round(step_s, 4),
            tokens_per_s=round(figures["tokens"] * accumulation / step_s, 1),
        )
        self._save(trainer, figures)
        trainer.model.zero_grad(set_to_none=True)
        if trainer.eval_dataset is not None:
            self._evaluate(trainer, gauge, figures)

    def _micro_batch(self, trainer: Trainer, batch: dict[str, Any]) -> float:
        began = time.monotonic()
        trainer.training_step(trainer.model_wrapped, dict(batch), trainer.num_items([batch]))
        _wait()
        return time.monotonic() - began

    def _optimizer_step(self, trainer: Trainer) -> float:
        """Make the optimizer's states; where a checkpoint brought them they are there already."""
        self._job.phase = "optimizer"
        optimizer = trainer.bare_optimizer
        if optimizer.state:
            return 0.0
        kept = [{"lr": g["lr"], "weight_decay": g["weight_decay"]} for g in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = group["weight_decay"] = 0.0
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.zero_()
        began = time.monotonic()
        try:
            optimizer.step()
            _wait()
        finally:
            for group, values in zip(optimizer.param_groups, kept, strict=True):
                group.update(values)
        trainer.has_rehearsed_states = True
        return time.monotonic() - began

    def _save(self, trainer: Trainer, figures: dict[str, Any]) -> None:
        self._job.phase = "save"
        size = trainer.checkpoint_bytes()
        if size > min(_LARGE_BYTES, shutil.disk_usage(self._job.run.path).free // 4):
            figures.update(checkpoint_bytes=size)
            return
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=".rehearsal-", dir=self._job.run.path) as folder:
            trainer.save_aside(folder)
            figures.update(
                save_s=round(time.monotonic() - began, 4),
                checkpoint_bytes=sum(f.stat().st_size for f in Path(folder).iterdir()),
            )

    def _evaluate(self, trainer: Trainer, gauge: _Gauge, figures: dict[str, Any]) -> None:
        self._job.phase = "eval"
        rows = self._spec.eval.micro_batch or self._spec.train.micro_batch
        batch = trainer.collated(_longest(trainer.eval_dataset, rows))
        began = time.monotonic()
        was_training = trainer.model.training
        trainer.model.eval()
        trainer.prediction_step(trainer.model, dict(batch), prediction_loss_only=True)
        _wait()
        trainer.model.train(was_training)
        batches = -(-len(trainer.eval_dataset) // rows)
        figures.update(eval_s=round((time.monotonic() - began) * batches, 3))
        gauge.end_of_evaluation()

    def _tell(self, gauge: _Gauge, figures: dict[str, Any], began: float, *, phase: str) -> None:
        measured = {"rows": 0, "length": 0, "tokens": 0} | figures | gauge.figures()
        told = Rehearsed(
            fits=not phase, phase=phase, took_s=round(time.monotonic() - began, 3), **measured
        )
        self._job.write(told)
        print(
            f"rehearsed {told.rows} x {told.length} tokens: {told.tensors_gib:.2f} GiB of tensors, "
            f"{told.step_s:.2f} s per step",
            flush=True,
        )


class _Gauge:
    """Peaks of a rehearsal: torch's own on a card, else a meter of live tensors."""

    def __init__(self, trainer: Trainer, meter: Meter | None) -> None:
        self._on_gpu = torch.cuda.is_available()
        self._own = None
        if meter is None and not self._on_gpu:
            meter = self._own = Meter(2**62)
            for tensor in trainer.held_tensors():
                meter.count(tensor)
        self._meter = meter
        self._train = self._eval = self._reserved = 0

    def __enter__(self) -> _Gauge:
        self._restart()
        if self._own is not None:
            self._own.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._own is not None:
            self._own.__exit__(*error)

    def end_of_training(self) -> None:
        self._train = max(self._train, self._peak())
        self._restart()

    def end_of_evaluation(self) -> None:
        self._eval = self._peak()

    def figures(self) -> dict[str, float]:
        train = self._train or self._peak()
        if self._on_gpu:
            self._reserved = max(self._reserved, torch.cuda.max_memory_reserved())
        return {
            "tensors_gib": round(train / _GIB, 4),
            "reserved_gib": round(self._reserved / _GIB, 4),
            "process_gib": card_of_process_gib(),
            "eval_tensors_gib": round(self._eval / _GIB, 4),
        }

    def _peak(self) -> int:
        if self._on_gpu:
            return int(torch.cuda.max_memory_allocated())
        return self._meter.peak_bytes if self._meter is not None else 0

    def _restart(self) -> None:
        if self._on_gpu:
            self._reserved = max(self._reserved, torch.cuda.max_memory_reserved())
            torch.cuda.reset_peak_memory_stats()
        elif self._meter is not None:
            self._meter.peak_bytes = self._meter.live_bytes


def _longest(dataset: Any, count: int) -> list[dict[str, Any]]:
    """The longest rows; one of them a shorter one where there is any, because it asks for a mask.

    A batch whose rows are all equally long needs none, and with it other attention kernels run.
    """
    lengths = np.asarray(
        dataset.with_format("arrow")[:]["input_ids"].combine_chunks().value_lengths()
    )
    order = np.argsort(-lengths, kind="stable")
    chosen = list(order[:count])
    if 1 < len(chosen) < len(order) and lengths[chosen[0]] == lengths[chosen[-1]]:
        shorter = order[lengths[order] < lengths[chosen[0]]]
        if len(shorter):
            chosen[-1] = shorter[0]
    return [dataset[int(index)] for index in chosen]


def _num_tokens(batch: dict[str, Any]) -> int:
    mask = batch.get("attention_mask")
    return int(batch["input_ids"].numel() if mask is None else mask.sum())


def _forget(trainer: Trainer) -> None:
    """Gradients and the states that the rehearsal made."""
    trainer.model.zero_grad(set_to_none=True)
    if trainer.has_rehearsed_states:
        trainer.bare_optimizer.state.clear()
        trainer.has_rehearsed_states = False
    gc.collect()


@contextmanager
def _random_state() -> Iterator[None]:
    """Every random generator a run draws from, put back afterwards."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cards = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if cards:
            torch.cuda.set_rng_state_all(cards)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
