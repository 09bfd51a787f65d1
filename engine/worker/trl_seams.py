"""Everything that leans on the inside of TRL and transformers, in one file.

A test checks each seam by name, so that an upgrade which moves one fails there and not in a run.
"""

from __future__ import annotations

import math
from typing import Any

from transformers import PrinterCallback
from trl import SFTTrainer

from engine.worker.job import Job
from engine.worker.sums import TokenSums

# The fused head's outputs that carry the metrics (trl/kernels/chunked_logprob.py, 1.16).
OUTPUT_FIELDS = ("label_mask", "log_probs", "is_top1", "entropy")


class Trainer(SFTTrainer):
    """TRL's trainer, telling which phase it is in and summing metrics by token.

    TRL averages accuracy and entropy per forward pass, and transformers the held-out loss per
    batch, so that short rows weigh as much as long ones. The forward's own outputs are read
    through a hook instead: four sums and no extra pass.
    """

    def __init__(
        self, *args: Any, job: Job, sums: TokenSums, eval_sums: TokenSums, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._job = job
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
