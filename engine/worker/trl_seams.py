"""Everything that leans on the inside of TRL and transformers, in one file.

A test checks each seam by name, so that an upgrade which moves one fails there and not in a run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback
from trl import SFTTrainer

from engine.worker.job import Job
from engine.worker.sums import TokenSums

# The fused head's outputs that carry the metrics (trl/kernels/chunked_logprob.py, 1.16).
OUTPUT_FIELDS = ("label_mask", "log_probs", "is_top1", "entropy")


class _EndAtTrainedLayers(TrainerCallback):
    """Lets the backward pass end at the lowest trained layer when the layers below are frozen.

    Where layers are recomputed, transformers 5.23 asks for a gradient of the embedding's output
    (`PreTrainedModel.activation_checkpointing_enable`), which only adapters need: backward would
    recompute and pass all frozen layers for gradients that nobody takes.
    """

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **_: Any
    ) -> None:
        model.disable_input_require_grads()


class Trainer(SFTTrainer):
    """TRL's trainer, telling which phase it is in and summing metrics by token.

    TRL averages accuracy and entropy per forward pass, and transformers the held-out loss per
    batch, so that short rows weigh as much as long ones. The forward's own outputs are read
    through a hook instead: four sums and no extra pass.
    """

    def __init__(
        self, *args: Any, job: Job, sums: TokenSums, eval_sums: TokenSums, **kwargs: Any
    ) -> None:
        if kwargs.get("peft_config") is None:
            kwargs["callbacks"] = [_EndAtTrainedLayers(), *(kwargs.get("callbacks") or ())]
        super().__init__(*args, **kwargs)
        self._job = job
        self._sums = (sums, eval_sums)
        self.has_rehearsed_states = False
        # The outer module: PEFT calls its base's forward directly, past any hook on the base.
        self.model.register_forward_hook(
            lambda module, _inputs, outputs: (sums if module.training else eval_sums).add(outputs)
        )
        # Values come out as quoted strings there; the journal is the log that is read.
        self.remove_callback(PrinterCallback)

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        training = self.model.training
        if training:
            self._job.phase = "forward"
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        if training:
            self._job.phase = "backward"
        return loss

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        before, self._job.phase = self._job.phase, "eval"
        metrics = super().evaluate(*args, **kwargs)
        self._job.phase = before
        return metrics

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        before, self._job.phase = self._job.phase, "save"
        super()._save_checkpoint(model, trial)
        self._job.phase = before

    @property
    def bare_optimizer(self) -> Any:
        """The optimizer under accelerate's wrapping."""
        return getattr(self.optimizer, "optimizer", self.optimizer)

    def collated(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Rows as the training loop would batch them, on the device."""
        return dict(self._prepare_inputs(self.data_collator(rows)))

    def num_items(self, batches: list[dict[str, Any]]) -> Any:
        """What the loop passes along to normalise the loss of these micro-batches."""
        return self._get_num_items_in_batch(batches, self.args.device)

    def save_aside(self, folder: str) -> None:
        """The large files of a checkpoint, in a folder of its own."""
        self.save_model(folder, _internal_call=True)
        self._save_optimizer_and_scheduler(folder)

    def held_tensors(self) -> Iterator[Any]:
        """Weights, buffers and optimizer states that live now."""
        yield from self.model.parameters()
        yield from self.model.buffers()
        for state in self.bare_optimizer.state.values():
            yield from (value for value in state.values() if isinstance(value, torch.Tensor))

    def checkpoint_bytes(self) -> int:
        """Bytes of what a checkpoint holds: the trained weights and the optimizer's states."""
        trained = (p for p in self.model.parameters() if p.requires_grad)
        if not hasattr(self.model, "peft_config"):
            trained = self.model.parameters()
        states = self.bare_optimizer.state.values()
        held = (v for state in states for v in state.values() if isinstance(v, torch.Tensor))
        return sum(tensor.nbytes for tensor in (*trained, *held))

    @contextmanager
    def nothing_counted(self) -> Iterator[None]:
        """What happens inside leaves no trace in the metrics."""
        kept: dict[str, Any] = {
            name: deepcopy(getattr(self, name)) for name in ("_metrics", "_total_train_tokens")
        }
        try:
            yield
        finally:
            self.__dict__.update(kept)
            for sums in self._sums:
                sums.take()

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: a checkpoint needs no card, and ours is written at export."""


def update_steps_per_epoch(trainer: SFTTrainer) -> int:
    """Optimizer steps in one pass over the prepared (cut, packed) training rows."""
    batches = len(trainer.get_train_dataloader())
    accumulation = int(trainer.args.gradient_accumulation_steps)
    return max(1, math.ceil(batches / accumulation))


def total_steps(trainer: SFTTrainer) -> int:
    """Optimizer steps of the whole run."""
    if trainer.args.max_steps > 0:
        return int(trainer.args.max_steps)
    return max(1, math.ceil(float(trainer.args.num_train_epochs) * update_steps_per_epoch(trainer)))
