"""Forward and backward through a 4-bit layer, beside the same layer with its weights unpacked."""

from __future__ import annotations

import json
import sys
from typing import Any

import bitsandbytes
import torch
from bitsandbytes.functional import dequantize_4bit

ROWS, INPUTS, OUTPUTS = 64, 1024, 512


def main() -> int:
    torch.manual_seed(0)
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    has_bf16 = place.type == "cpu" or torch.cuda.get_device_capability(place) >= (8, 0)
    dtype = torch.bfloat16 if has_bf16 else torch.float16
    layer = bitsandbytes.nn.Linear4bit(
        INPUTS, OUTPUTS, bias=False, compute_dtype=dtype, quant_type="nf4"
    )
    # It stays in training mode: bitsandbytes packs weights otherwise to answer only.
    layer = layer.to(place)
    rows = torch.randn(ROWS, INPUTS, device=place, dtype=dtype, requires_grad=True)
    answer = layer(rows)
    slope = torch.randn_like(answer)
    answer.backward(slope)
    weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(dtype).float()
    told = {
        "bitsandbytes": bitsandbytes.__version__,
        "device": place.type,
        "dtype": str(dtype).removeprefix("torch."),
        "forward_error": _off(answer.detach(), rows.detach().float() @ weight.T),
        "backward_error": _off(rows.grad, slope.float() @ weight),
    }
    print(json.dumps(told))
    return 0


def _off(result: Any, reference: Any) -> float:
    return float(((result.float() - reference).norm() / reference.norm()).item())


if __name__ == "__main__":
    sys.exit(main())
