"""What leans on the inside of bitsandbytes, in one file with a test that names it."""

from __future__ import annotations

from typing import Any


def keep_trainable(model: Any) -> int:
    """Keep 4-bit weights in the layout that has a backward pass; returns how many layers it met.

    On a CPU with AVX512-BF16 the first forward in evaluation mode repacks the weights for
    inference and leaves them so (bitsandbytes 0.50.2, `Linear4bit.forward`). Training after an
    evaluation then runs a kernel without autograd: no gradient reaches the layers below, and only
    models with biases say so, by an error about an in-place operation.
    """
    from bitsandbytes.nn import Linear4bit

    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    for layer in layers:
        layer.support_avx512bf16_for_cpu = False
    return len(layers)
