"""What CPU kernels allocate inside one operator, where no dispatch mode sees it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from engine.worker.simulate.setting import Setting
from engine.worker.simulate.tracker import Tracker
from engine.worker.simulate.unknown import conditions

# Kernels of bitsandbytes that are made of torch's own operators (its backends/cpu/ops.py and
# backends/default/ops.py): they run as they are and meet the tracker operator by operator.
_IN_TORCH = frozenset(
    f"bitsandbytes::{name}"
    for name in (
        "gemm_4bit",
        "int8_mixed_scaled_mm",
        "int8_scaled_mm",
        "int8_linear_matmul",
        "int8_mm_dequant",
        "int8_vectorwise_quant",
        "optimizer_update_32bit",
        "optimizer_update_8bit_blockwise",
    )
)
_ON_CPU = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
_POINTWISE = frozenset(
    f"aten::{name}{ending}.Tensor" for name in ("add", "sub", "mul", "div") for ending in ("", "_")
)


def cpu_kernels(setting: Setting, tracker: Tracker) -> Sequence[AbstractContextManager[Any]]:
    """The modes of a step on the CPU, to be entered after the tracker."""
    return (CpuKernels(tracker),)


class CpuKernels(TorchDispatchMode):
    """Books the inner tensors of bitsandbytes' kernels and of operators on mixed formats."""

    def __init__(self, tracker: Tracker) -> None:
        super().__init__()
        self._tracker = tracker

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = func.name()
        if name in _IN_TORCH:
            with self, self._tracker.serving("workspace"), conditions(False):
                result = func.redispatch(_ON_CPU, *args, **kwargs)
            return result
        if name in _POINTWISE and isinstance(args[1], torch.Tensor):
            with self._tracker.serving("workspace"):
                copies = _promoted(args[0], args[1], name.endswith("_.Tensor"))
            result = func(*args, **kwargs)
            del copies
            return result
        return func(*args, **kwargs)


def _promoted(a: torch.Tensor, b: torch.Tensor, in_place: bool) -> list[torch.Tensor]:
    """Copies of operands in the common format (TensorIterator.cpp compute_types, CPU only)."""
    if a.dtype == b.dtype:
        return []
    common = torch.result_type(a, b)
    copied = [tensor for tensor in (a, b) if tensor.dtype != common and tensor.dim()]
    if in_place and a.dtype != common:
        copied.append(a)
    return [torch.empty(tensor.shape, dtype=common) for tensor in copied]
