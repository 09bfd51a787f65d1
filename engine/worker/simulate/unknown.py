"""Stand-ins for results that depend on the numbers in a tensor, which a fake tensor has not."""

from __future__ import annotations

from typing import Any

import torch

_aten = torch.ops.aten
_NO_OUTLIERS = "No column of an 8-bit product holds outliers."


def stand_in(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, str]:
    """A result for `func`, and the assumption it makes as a sentence.

    Raises NotImplementedError for an operator whose result nobody can guess.
    """
    if func is _aten._local_scalar_dense.default:
        dtype = args[0].dtype
        value: Any = True if dtype is torch.bool else 1 if not dtype.is_floating_point else 1.0
        return value, "A number read from a tensor is taken as one, a condition as true."
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
