"""A stand-in for the flash-attn package, with its allocations and without its kernels.

flash_attn 2 keeps query, key, value, output and log-sum-exp, and gathers the real tokens of padded
rows into copies (transformers/modeling_flash_attention_utils.py). How many tokens are real is not
known here: all are taken as real, the largest case.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
import transformers.modeling_flash_attention_utils as flash_utils
from torch import Tensor
from transformers import PreTrainedModel, modeling_utils
from transformers.masking_utils import AttentionMaskInterface

from engine.worker.simulate.cuda_attention import backward_scratch


@contextmanager
def flash_package(present: bool) -> Iterator[None]:
    """A model that asks for flash-attn can be built, where it is `present` on the card's box."""
    if not present:
        yield
        return
    with (
        patch.object(PreTrainedModel, "_flash_attn_import_error", _nothing),
        patch.object(modeling_utils, "lazy_import_flash_attention", _nothing),
    ):
        yield


@contextmanager
def flash_attention() -> Iterator[None]:
    """transformers' `flash_attention_2` runs on the stand-in, for the length of the block."""
    process = flash_utils._lazy_define_process_function(_flash_varlen)
    functions = (_flash, _flash_varlen, None, flash_utils._pad_input, flash_utils._unpad_input)
    with (
        patch.object(
            flash_utils,
            "lazy_import_flash_attention",
            lambda *_, **__: (functions, (process, None)),
        ),
        patch.object(flash_utils, "_get_unpad_data", _all_tokens),
        patch.object(flash_utils, "_is_packed_sequence", lambda *_, **__: False),
        patch.dict(AttentionMaskInterface._global_mapping, {"flash_attention_2": _mask}),
    ):
        yield


def _nothing(*_: Any, **__: Any) -> None:
    """The package is taken as installed."""


def _mask(*_: Any, attention_mask: Tensor | None = None, **__: Any) -> Tensor | None:
    """The mask of tokens as it came; whether all are real would be read from the numbers."""
    return attention_mask


def _all_tokens(attention_mask: Tensor) -> tuple[Tensor, Tensor, int]:
    rows, length = attention_mask.shape
    indices = torch.empty(rows * length, dtype=torch.int64)
    return indices, torch.empty(rows + 1, dtype=torch.int32), length


def _flash(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    deterministic: bool = False,
) -> Tensor:
    """`flash_attn_func`: [batch, tokens, heads, size]."""
    return _Flash.apply(q, k, v, 0)


def _flash_varlen(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    deterministic: bool = False,
) -> Tensor:
    """`flash_attn_varlen_func`: [tokens, heads, size], rows told apart by their bounds."""
    rows = cu_seqlens_q.numel() - 1
    return _Flash.apply(q, k, v, rows)


class _Flash(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, rows: int) -> Tensor:
        out = torch.empty(q.shape, dtype=q.dtype)
        log_sum_exp = torch.empty(q.shape[:-1], dtype=torch.float32)
        seed = torch.empty(2, dtype=torch.int64)
        ctx.rows = rows
        ctx.save_for_backward(q, k, v, out, log_sum_exp, seed)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, _, _, _ = ctx.saved_tensors
        whole = [x.unsqueeze(0) if x.dim() == 3 else x for x in (q, k, v)]
        scratch = backward_scratch(
            whole[0], whole[1], whole[2], "flash", token_dim=1, rows=ctx.rows
        )
        made = [torch.empty_like(x) for x in (q, k, v)]
        del scratch
        return *made, None
