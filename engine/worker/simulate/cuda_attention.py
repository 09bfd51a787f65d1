"""What scaled dot product attention keeps and needs on a CUDA card, made on fake CPU tensors.

The choice of kernel follows select_sdp_backend (aten/src/ATen/native/transformers/cuda/
sdp_utils.cpp), the tensors those that each kernel's forward saves and its backward allocates.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

Kernel = Literal["cudnn", "flash", "efficient", "math"]
Capability = tuple[int, int]

# Grouped heads in the memory-efficient kernel came with pytorch PR 191085, after 2.13.
_EFFICIENT_GROUPS = tuple(int(n) for n in torch.__version__.split(".")[:2]) >= (2, 14)
_HALF = (torch.float16, torch.bfloat16)
_BLOCK = 128  # rows that the flash kernels round to (flash_api.cpp: seqlen_q_rounded)
_MASK_ALIGNMENT = 8  # preprocess_mask, attention.cpp


def choose_kernel(
    query: Tensor,
    key: Tensor,
    *,
    has_mask: bool,
    capability: Capability,
    dropout: float = 0.0,
    efficient_groups: bool = _EFFICIENT_GROUPS,
) -> Kernel:
    """The kernel for [batch, heads, tokens, size] on a card of this compute capability."""
    size = query.shape[-1]
    half = query.dtype in _HALF and (query.dtype != torch.bfloat16 or capability >= (8, 0))
    grouped = query.shape[1] != key.shape[1]
    # check_prefer_cudnn_attention: Hopper and data centre Blackwell
    if capability in ((9, 0), (10, 0)) and half and size <= 128 and size % 8 == 0:
        return "cudnn"
    if capability >= (8, 0) and half and not has_mask and size <= 256:
        consumer = capability in ((8, 6), (8, 7), (8, 9)) or capability[0] == 12
        if not (consumer and size > 192 and (size <= 224 or dropout > 0)):
            return "flash"
    if grouped and not efficient_groups:
        return "math"
    if query.dtype in _HALF and not half:  # bfloat16 before Ampere
        return "math"
    return "math" if query.dtype == torch.float64 else "efficient"


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    capability: Capability,
) -> Tensor:
    """`scaled_dot_product_attention` with the allocations of the kernel that CUDA would choose.

    Shapes as in torch: [batch, heads, tokens, size]; the result's memory is in token order, as
    the fused kernels leave it. Values are meaningless outside the math kernel.
    """
    query, key, value = (_for_autocast(x) for x in (query, key, value))
    with torch.autocast("cpu", enabled=False):
        kernel = choose_kernel(
            query, key, has_mask=attn_mask is not None, capability=capability, dropout=dropout_p
        )
        if kernel == "math":
            out, _ = torch._scaled_dot_product_attention_math(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale,
                enable_gqa=enable_gqa,
            )  # fmt: skip
            return out
        bias = additive_mask(attn_mask, query.dtype)
        if bias is not None and kernel == "efficient":
            bias = _aligned(bias)
        return _Fused.apply(query, key, value, bias, kernel)


def additive_mask(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """A boolean mask as one to add, made anew in each call (convert_boolean_attn_mask)."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    zero = torch.zeros((), dtype=dtype)
    return torch.where(mask, zero, torch.full((), float("-inf"), dtype=dtype))


def _for_autocast(x: Tensor) -> Tensor:
    """SDPA stands in autocast's list of half-precision operations."""
    if torch.is_autocast_enabled("cpu") and x.dtype in (torch.float32, *_HALF):
        return x.to(torch.get_autocast_dtype("cpu"))
    return x


def _aligned(bias: Tensor) -> Tensor:
    """Rows of the mask start at multiples of eight entries, by a padded copy where they do not."""
    over = -bias.shape[-1] % _MASK_ALIGNMENT
    if not over:
        return bias
    return torch.nn.functional.pad(bias, [0, over])[..., : bias.shape[-1]]


class _Fused(torch.autograd.Function):
    """Attention without a score matrix: output and log-sum-exp are kept beside the inputs."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, kernel: Kernel
    ) -> Tensor:
        batch, heads, tokens, _ = query.shape
        size = value.shape[-1]
        out = torch.empty_strided(
            (batch, heads, tokens, size),
            (tokens * heads * size, size, heads * size, 1),
            dtype=query.dtype,
        )
        log_sum_exp = torch.empty((batch, heads, tokens), dtype=torch.float32)
        seed = torch.empty(2, dtype=torch.int64)
        ctx.kernel = kernel
        ctx.save_for_backward(query, key, value, out, log_sum_exp, seed, bias)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, _, _, _, _ = ctx.saved_tensors
        scratch = backward_scratch(query, key, value, ctx.kernel)
        made = tuple(
            torch.empty_like(x) if needed else None
            for x, needed in zip((query, key, value), ctx.needs_input_grad[:3], strict=True)
        )
        del scratch
        return *made, None, None


def backward_scratch(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    kernel: Kernel,
    *,
    token_dim: int = 2,
    rows: int = 0,
) -> list[Tensor]:
    """Buffers of a fused kernel's backward; `token_dim` is 2 for [batch, heads, tokens, size].

    `rows` counts rows that lie one after the other in one, each of which is rounded up.

    flash_attn/flash_api.cpp mha_bwd: softmax_d, dq_accum, dk_expanded and dv_expanded;
    mem_eff_attention/kernel_backward.h: delta, and a float32 accumulator of the query's gradient
    where the output is not float32 itself.
    """
    batch, size = query.shape[0], query.shape[-1]
    tokens, heads = query.shape[token_dim], query.shape[3 - token_dim]
    if kernel == "efficient":
        scratch = [torch.empty((batch, heads, -(-tokens // 32) * 32), dtype=torch.float32)]
        if query.dtype in _HALF:
            scratch.append(torch.empty(query.shape, dtype=torch.float32))
    else:
        rounded = tokens + rows * _BLOCK if rows else -(-tokens // _BLOCK) * _BLOCK
        wide = -(-size // 32) * 32 if size <= 128 else -(-size // 64) * 64
        scratch = [
            torch.empty((batch, heads, rounded), dtype=torch.float32),
            torch.empty((batch, rounded, heads, wide), dtype=torch.float32),
        ]
    if key.numel() != query.numel() and kernel != "cudnn":
        scratch += [torch.empty(query.shape, dtype=x.dtype) for x in (key, value)]
    return scratch
