"""Every kernel of torch's attention, forward and backward, beside the plain formula in float32."""

from __future__ import annotations

import json
import sys
import warnings
from math import isnan
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

# Batch, heads, tokens, width of a head.
SHAPE = (2, 8, 512, 64)
KERNELS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}


def main() -> int:
    torch.manual_seed(0)
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    has_bf16 = place.type == "cpu" or torch.cuda.get_device_capability(place) >= (8, 0)
    dtype = torch.bfloat16 if has_bf16 else torch.float16
    inputs = [torch.randn(SHAPE, device=place, dtype=dtype) for _ in range(3)]
    with sdpa_kernel(SDPBackend.MATH):
        reference = _through([one.float() for one in inputs])
    kernels = {name: _tried(kind, inputs, reference) for name, kind in KERNELS.items()}
    kind = str(dtype).removeprefix("torch.")
    print(json.dumps({"device": place.type, "dtype": kind, "kernels": kernels}))
    return 0


def _tried(kind: Any, inputs: list[Any], reference: list[Any]) -> dict[str, object]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            with sdpa_kernel(kind):
                results = _through(inputs)
        except RuntimeError as error:
            reasons = [str(one.message).split(" (Triggered")[0] for one in said]
            return {"missing": " ".join([str(error).splitlines()[0], *reasons])[:600]}
    off = [
        ((a.float() - b).norm() / b.norm()).item() for a, b in zip(results, reference, strict=True)
    ]
    # max() would pass over a NaN that is not the first.
    return {"error": max(off) if not any(map(isnan, off)) else None}


def _through(inputs: list[Any]) -> list[Any]:
    """The output and the gradients of queries, keys and values."""
    leaves = [one.detach().clone().requires_grad_() for one in inputs]
    out = scaled_dot_product_attention(*leaves, is_causal=True)
    out.float().square().sum().backward()
    return [out.detach(), *(one.grad for one in leaves)]


if __name__ == "__main__":
    sys.exit(main())
