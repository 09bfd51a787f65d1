"""Operators whose CUDA form allocates something else than the CPU one, by function and by kernel.

Sources: torch 2.13 aten/src/ATen/native/SoftMax.cpp and cuda/SoftMax.cu, Dropout.cpp,
aten/src/ATen/autocast_mode.h (AT_FORALL_FP32 and AT_FORALL_FP32_SET_OPT_DTYPE).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Self
from unittest.mock import patch

import bitsandbytes  # noqa: F401  defines the operators named below
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from engine.memory.cards import Card
from engine.memory.plan import blas_workspace
from engine.worker.simulate.cuda_attention import Capability, attend
from engine.worker.simulate.tracker import Tracker

_HALF = (torch.float16, torch.bfloat16)
# CUDA's autocast runs these in float32; the CPU's list has none of them.
_WIDE = frozenset((
    "acos", "asin", "cosh", "erfinv", "exp", "expm1", "log", "log10", "log2", "log1p",
    "reciprocal", "rsqrt", "sinh", "tan", "pow", "__pow__", "__rpow__", "softplus", "layer_norm",
    "group_norm", "cross_entropy", "nll_loss", "l1_loss", "smooth_l1_loss", "huber_loss",
    "mse_loss", "kl_div", "binary_cross_entropy_with_logits", "cosine_similarity", "logsumexp",
    "dist", "cdist", "norm",
))  # fmt: skip
# The same, where no format of the result was asked for.
_WIDE_UNLESS_ASKED = frozenset(("softmax", "log_softmax", "cumsum", "cumprod", "prod", "sum"))
_SOFTMAX = {
    "softmax": torch.ops.aten._softmax.default,
    "log_softmax": torch.ops.aten._log_softmax.default,
}


class CudaFunctions(TorchFunctionMode):
    """Replaces functions by what they are on CUDA: attention, softmax, dropout, autocast's list."""

    def __init__(self, capability: Capability) -> None:
        super().__init__()
        self._capability = capability

    def __enter__(self) -> Self:
        # `backward` is called with the mode off, as every function, but recomputes layers
        run = torch.autograd._engine_run_backward
        super().__enter__()
        self._run = patch.object(torch.autograd, "_engine_run_backward", partial(_under, self, run))
        self._run.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._run.stop()
        super().__exit__(*exception)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "scaled_dot_product_attention":
            return attend(*args, **kwargs, capability=self._capability)
        if name == "dropout" and (drop := _dropout(*args, **kwargs)) is not None:
            return drop
        if torch.is_autocast_enabled("cpu"):
            args, kwargs = _widen(name, args, kwargs)
        if name in _SOFTMAX and (out := _fused_softmax(name, *args, **kwargs)) is not None:
            return out
        return func(*args, **kwargs)


def _under(mode: TorchFunctionMode, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`run` with the mode on, which is off while it handles a function."""
    torch._C._push_on_torch_function_stack(mode)
    try:
        return run(*args, **kwargs)
    finally:
        torch._C._pop_torch_function_stack()


class CudaKernels(TorchDispatchMode):
    """Allocates what kernels need on CUDA beside their inputs and outputs, as workspace.

    Most for the time of the kernel; cuBLAS's buffers from the first product on, one for the
    forward and one for the backward thread.
    """

    def __init__(self, card: Card, tracker: Tracker) -> None:
        super().__init__()
        self._tracker = tracker
        self._blas_bytes = blas_workspace(card)
        self._blas: list[Tensor] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in _PRODUCTS and not self._blas:
            with self._tracker.serving("workspace"):
                self._blas = [torch.empty(self._blas_bytes, dtype=torch.uint8) for _ in range(2)]
        needs = _SCRATCH.get(func)
        if needs is None:
            return func(*args, **(kwargs or {}))
        with self._tracker.serving("workspace"):
            scratch = needs(*args, **(kwargs or {}))
        result = func(*args, **(kwargs or {}))
        del scratch
        return result


def _dropout(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor | None:
    """The fused kernel, which keeps a byte per element; None where CUDA does not take it."""
    if inplace or not training or not 0 < p < 1 or not input.numel():
        return None
    dropped: Tensor = torch.native_dropout(input, p, True)[0]
    return dropped


def _fused_softmax(
    name: str,
    input: Tensor,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: torch.dtype | None = None,
    **_: Any,
) -> Tensor | None:
    """float16 scores become float32 chances in one kernel; None where that does not apply."""
    if isinstance(_stacklevel, torch.dtype):  # Tensor.softmax(dim, dtype)
        dtype = _stacklevel
    if dim is None or dtype != torch.float32 or input.dtype != torch.float16:
        return None
    out: Tensor = _SOFTMAX[name](input, dim, True)
    return out


def _widen(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if name in _WIDE:
        return tuple(map(_wide, args)), {key: _wide(value) for key, value in kwargs.items()}
    asked = kwargs.get("dtype") is not None or any(isinstance(a, torch.dtype) for a in args)
    if name in _WIDE_UNLESS_ASKED and args and _is_half(args[0]) and not asked:
        return args, {**kwargs, "dtype": torch.float32}
    return args, kwargs


def _wide(value: Any) -> Any:
    return value.float() if _is_half(value) else value


def _is_half(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype in _HALF


def _product_of_gradient(gradient: Tensor, *_: Any) -> list[Tensor]:
    # softmax_backward_cuda_out: `tmp = grad * output`
    return [torch.empty(gradient.shape, dtype=gradient.dtype)]


def _safe_softmax(scores: Tensor, *_: Any, **__: Any) -> list[Tensor]:
    # which scores are minus infinity, to find the rows that are fully masked
    return [torch.empty(scores.shape, dtype=torch.bool)]


def _dequantised(
    a: Tensor, b: Tensor, shape: list[int], absmax: Tensor, *rest: Any, **named: Any
) -> list[Tensor]:
    # bitsandbytes backends/cuda/ops.py _dequant_linear_fallback: the whole weight in the input's
    # format, and with double quantisation the scales twice
    scales = named.get("absmax_8bit")
    made = (
        [torch.empty(scales.shape, dtype=torch.float32) for _ in range(2)]
        if (scales is not None)
        else []
    )
    return [*made, torch.empty(tuple(shape), dtype=a.dtype)]


_SCRATCH: dict[Any, Callable[..., list[Tensor]]] = {
    torch.ops.aten._softmax_backward_data.default: _product_of_gradient,
    torch.ops.aten._safe_softmax.default: _safe_softmax,
    torch.ops.bitsandbytes.gemm_4bit.default: _dequantised,
}
_PRODUCTS = frozenset(
    overload
    for packet in (torch.ops.aten.mm, torch.ops.aten.bmm, torch.ops.aten.addmm)
    for overload in (packet.default, packet.out)
)
