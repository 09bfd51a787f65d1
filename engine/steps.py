"""How many optimizer steps a run makes, by the trainer's own rule."""

from __future__ import annotations

import math

from engine.spec import Spec


def num_steps(spec: Spec, num_rows: int) -> int:
    """Steps of a run over `num_rows` training rows (at least 0), unpacked.

    Rows make passes of a micro-batch, passes make steps; an epoch's last pass and last step may be
    smaller, and so may the last epoch. Rule: transformers 5, Trainer.set_initial_training_values.
    """
    train = spec.train
    if train.max_steps:
        return train.max_steps
    passes = -(-num_rows // train.micro_batch)
    per_epoch = max(1, -(-passes // train.accumulation))
    return max(1, math.ceil(train.epochs * per_epoch))
