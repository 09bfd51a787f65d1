"""Bytes of optimizer states, and what a step of the optimizer needs for a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.memory.recipe import Recipe
from engine.memory.weights import Trained, bytes_of
from engine.spec import Optimizer

# bitsandbytes 0.50 optim/optimizer.py: min_8bit_size, blocksize, and "> 1 MB" for paging
_SMALLEST_8BIT = 4096
_BLOCK = 256
_SMALLEST_PAGED = 100_000


@dataclass(frozen=True, slots=True)
class OptimizerBytes:
    """States on the device, states in paged memory that the host backs, and a step's temporary."""

    states: int
    paged: int
    transient: int


def optimizer_bytes(
    tensors: Sequence[Trained], optimizer: Optimizer, recipe: Recipe, *, weight_decay: float = 0.0
) -> OptimizerBytes:
    """What `optimizer` keeps for the trained tensors; the names are the spec's."""
    if optimizer == "sgd":  # torch.optim.SGD without momentum; decay makes a list of sums
        return OptimizerBytes(0, 0, bytes_of(tensors, recipe) if weight_decay else 0)
    if optimizer == "adafactor":
        return _adafactor(tensors, recipe)
    if optimizer == "adamw":  # adamw_torch_fused: two states in the weights' format, a step count
        count = sum(t.count for t in tensors)
        states = 2 * bytes_of(tensors, recipe) + count * _rounded(4, recipe)
        return OptimizerBytes(states, 0, 0)
    return _bitsandbytes(tensors, optimizer, recipe)


def _bitsandbytes(
    tensors: Sequence[Trained], optimizer: Optimizer, recipe: Recipe
) -> OptimizerBytes:
    num_states = 1 if optimizer == "lion_8bit" else 2
    is_8bit = "8bit" in optimizer
    states = paged = 0
    any_8bit = False
    for tensor in tensors:
        # transformers/trainer.py asks for 32 bits for every nn.Embedding under 8-bit optimizers
        small = is_8bit and tensor.elements >= _SMALLEST_8BIT and not tensor.is_embedding
        any_8bit = any_8bit or small
        size = num_states * _rounded(tensor.elements * (1 if small else 4), recipe)
        if optimizer.startswith("paged") and tensor.elements >= _SMALLEST_PAGED and recipe.on_gpu:
            paged += tensor.count * size
        else:
            states += tensor.count * size
        if small:
            scales = _rounded(4 * -(-tensor.elements // _BLOCK), recipe)
            states += tensor.count * num_states * scales
    if any_8bit:  # one table of 256 values per state, shared
        states += num_states * _rounded(256 * 4, recipe)
    return OptimizerBytes(states, paged, 0)


def _adafactor(tensors: Sequence[Trained], recipe: Recipe) -> OptimizerBytes:
    # transformers/optimization.py Adafactor.step: factored second moment in float32; gradient and
    # weight in float32 where they are not, then the squared gradient and the sum with epsilon,
    # while the update of the tensor before is still held by its name
    states = largest = before = 0
    for tensor in sorted(tensors, key=lambda one: not one.is_embedding):  # the model's own order
        if len(tensor.dims) >= 2:
            outer = tensor.elements // (tensor.dims[-1] * tensor.dims[-2])
            parts: tuple[int, ...] = (outer * tensor.dims[-2], outer * tensor.dims[-1])
        else:
            parts = (tensor.elements,)
        # and the root mean square of the weight, one number
        states += tensor.count * sum(_rounded(4 * part, recipe) for part in (*parts, 1))
        copies = 2 if tensor.item == 4 else 4
        largest = max(largest, copies * 4 * tensor.elements + before)
        if len(tensor.dims) >= 2:  # vectors come last, in a group without weight decay
            before = 4 * tensor.elements
    return OptimizerBytes(states, 0, largest)


def _rounded(size: int, recipe: Recipe) -> int:
    return -(-size // recipe.granule) * recipe.granule
