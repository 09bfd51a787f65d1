"""Where bitsandbytes, TRL, PEFT and torch's optimizers take another path on CUDA than on a CPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import bitsandbytes
import bitsandbytes.optim.optimizer as bnb_optimizer
import torch
import trl.kernels.chunked_logprob as chunked
from torch import Tensor

# bitsandbytes 0.50 optim/optimizer.py get_state_buffer
_SMALLEST_PAGED = 100_000


@contextmanager
def cuda_libraries() -> Iterator[None]:
    """All of them, for the length of the block."""
    with ExitStack() as stack:
        changes: tuple[AbstractContextManager[Any], ...] = (
            patch.object(torch, "is_autocast_enabled", _is_autocast_enabled),
            patch.object(bitsandbytes, "matmul", matmul_8bit),
            patch.object(bnb_optimizer.Optimizer8bit, "get_state_buffer", _state_buffer),
            # The Triton kernels write their sums in place and need nothing beside the tile.
            patch.object(chunked, "_forward_tile", _nothing),
            patch.object(chunked, "_backward_tile", _nothing),
            patch.object(chunked, "_addmm_fp32", _nothing),
            # torch.optim hides its modules behind classes of the same name
            *(
                patch.object(sys.modules[name], "_default_to_fused_or_foreach", _foreach)
                for name in ("torch.optim.sgd", "torch.optim.adam")
            ),
        )
        for change in changes:
            stack.enter_context(change)
        yield


_asks_autocast = torch.is_autocast_enabled


def _is_autocast_enabled(device_type: str | None = None) -> bool:
    """Without a device it is about CUDA's autocast, which here is the CPU's (PEFT asks so)."""
    return bool(_asks_autocast(device_type or "cpu"))


def _nothing(*_: Any, **__: Any) -> None:
    """A kernel that allocates nothing."""


def _foreach(*_: Any, **__: Any) -> tuple[bool, bool]:
    """torch.optim takes the implementation over lists of tensors by itself on CUDA only."""
    return False, True


def _state_buffer(self: Any, p: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """A state in memory that the host backs takes no room in the allocator; one entry stands in."""
    if self.is_paged and p.numel() >= _SMALLEST_PAGED:
        return torch.zeros(1, dtype=dtype).expand(p.shape)
    return torch.zeros_like(p, dtype=dtype)


def matmul_8bit(
    A: Tensor,
    B: Tensor,
    out: Tensor | None = None,
    state: Any = None,
    threshold: float = 0.0,
    bias: Tensor | None = None,
) -> Tensor:
    """`bitsandbytes.matmul` as MatMul8bitLt allocates on CUDA, no column holding outliers.

    A is [..., in], the result [..., out] in A's format; `state` as in Linear8bitLt.
    """
    if state.CB is None:
        state.CB, state.SCB = B.CB, B.SCB
    return _Int8.apply(A, state.CB, state.SCB, bias, threshold or state.threshold)


class _Int8(torch.autograd.Function):
    """A float16 copy of the input, its int8 form, an int32 product and its float16 form pass by."""

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, weight: Tensor, scales: Tensor, bias: Tensor | None, threshold: float
    ) -> Tensor:
        flat = a.reshape(-1, a.shape[-1])
        rounded, row_scales = _rounded(flat, threshold)
        product = torch.empty((flat.shape[0], weight.shape[0]), dtype=torch.int32)
        half = torch.empty(product.shape, dtype=torch.float16)
        out = half.to(a.dtype)
        del half, product, rounded, row_scales
        ctx.input, ctx.weight, ctx.scales = flat, weight, scales
        ctx.shape = a.shape
        return out.reshape(*a.shape[:-1], weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = grads
        flat = gradient.reshape(-1, gradient.shape[-1]).contiguous()
        dtype = ctx.input.dtype
        rebuilt = ctx.weight.to(dtype, copy=True).mul_(ctx.scales.unsqueeze(1).mul(1.0 / 127.0))
        made = torch.matmul(flat.to(dtype), rebuilt).view(ctx.shape)
        return made, None, None, None, None


def _rounded(flat: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    half = flat.to(torch.float16)
    scales = torch.empty(flat.shape[0], dtype=torch.float32)
    rounded = torch.empty(flat.shape, dtype=torch.int8)
    if threshold > 0:
        outliers = half.abs() >= threshold
        del outliers
    return rounded, scales
