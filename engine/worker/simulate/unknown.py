"""Stand-ins for results that depend on the numbers in a tensor, which a fake tensor has not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

_aten = torch.ops.aten
_NO_OUTLIERS = "No column of an 8-bit product holds outliers."
_condition: ContextVar[bool] = ContextVar("condition", default=True)


@contextmanager
def conditions(hold: bool) -> Iterator[None]:
    """Conditions on numbers are taken to `hold` inside; as true elsewhere."""
    token = _condition.set(hold)
    try:
        yield
    finally:
        _condition.reset(token)


def stand_in(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, str]:
    """A result for `func`, and the assumption it makes as a sentence.

    Raises NotImplementedError for an operator whose result nobody can guess.
    """
    if func in (_aten._local_scalar_dense.default, _aten.is_nonzero.default):
        dtype = args[0].dtype
        if dtype is torch.bool or func is _aten.is_nonzero.default:
            holds = _condition.get()
            return holds, _NO_OUTLIERS if not holds else "Conditions on a tensor's numbers hold."
        one: Any = 1.0 if dtype.is_floating_point else 1
        return one, "A number read from a tensor is taken as one."
    if func is torch.ops.bitsandbytes.int8_vectorwise_quant.default:
        a = args[0]
        rows = a.numel() // a.shape[-1]
        result = (
            torch.empty(a.shape, dtype=torch.int8),
            torch.empty(rows, dtype=torch.float32),
            torch.empty(0, dtype=torch.int64),
        )
        return result, _NO_OUTLIERS
    if func is torch.ops.bitsandbytes.int8_mixed_scaled_mm.default:
        a, _, weight = args[:3]
        product = torch.empty(*a.shape[:-1], weight.shape[0], dtype=a.dtype)
        return (product, torch.empty(a.shape[0], 0, dtype=a.dtype)), _NO_OUTLIERS
    raise NotImplementedError(f"{func.name()} depends on the data")
