"""How fast a card trains, from its data sheet: a range, for the time before anything was measured.

Operations of a step follow from the model's shape; which share of the sheet's rate a fine-tuning
reaches does not. The two shares below are an assumption of ours, unmeasured, and wide for that
reason; a rehearsal replaces them by a measurement within the first minute.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.memory.cards import Card
from engine.memory.model_shape import ModelShape
from engine.spec import Spec

# Short rows, small batches and 4-bit weights end at the lower one.
SHARE_LOW, SHARE_HIGH = 0.15, 0.45


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens per second while training, slowest and fastest."""

    low: float
    high: float


def rate_of(shape: ModelShape, spec: Spec, length: int, card: Card) -> Rate | None:
    """What the data sheet leads to for rows of `length` tokens; None where none is known."""
    operations = step_operations(shape, spec, length)
    if not card.is_gpu or card.tflops <= 0 or operations <= 0:
        return None
    peak = card.tflops * 1e12 / operations
    return Rate(SHARE_LOW * peak, SHARE_HIGH * peak)


def step_operations(shape: ModelShape, spec: Spec, length: int) -> float:
    """Multiplications and additions per trained token, forward and backward.

    Two per weight that takes part, of a mixture only the chosen experts', and attention over half
    of the row's other tokens. Backward does the same again for the gradients of what passes
    through, and once more for weights that are trained; checkpointing repeats the forward pass.
    """
    layers = sum(_layer_weights(shape, kind) for kind in shape.layers)
    head = shape.vocab * shape.hidden
    attention = 2 * length * shape.heads * shape.head_dim * len(shape.layers)
    forward = 2.0 * (layers + head) + attention
    train = spec.train
    trained = 2.0 * (layers + head) if train.method == "full" else 0.0
    if train.method == "freeze":
        share = min(train.trainable_layers / max(1, len(shape.layers)), 1.0)
        return forward + share * (4.0 * layers + attention) + 2.0 * head
    again = forward - 2.0 * head if train.gradient_checkpointing else 0.0
    return 2 * forward + trained + again


def _layer_weights(shape: ModelShape, index: int) -> int:
    kind = shape.kinds[index]
    weights = sum(linear.weight_params for linear in kind.linears)
    if kind.experts is not None:
        router, up, down = kind.experts.tensors
        weights += router + (up + down) * kind.experts.top_k // kind.experts.count
    return weights
