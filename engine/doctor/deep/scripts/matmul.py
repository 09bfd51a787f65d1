"""Multiply matrices in the digits of training and compare with float32 on the CPU."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

SIZE = 1024
# Big enough that the multiplication, not its launch, takes the time.
TIMED_SIZE = 8192


def main() -> int:
    torch.manual_seed(0)
    left, right = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    if torch.cuda.is_available():
        places = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    else:
        places = [torch.device("cpu")]
    print(json.dumps({"devices": [_on(place, left, right) for place in places]}))
    return 0


def _on(place: torch.device, left: Any, right: Any) -> dict[str, object]:
    on_gpu = place.type == "cuda"
    has_bf16 = not on_gpu or torch.cuda.get_device_capability(place) >= (8, 0)
    dtype = torch.bfloat16 if has_bf16 else torch.float16
    # The reference starts from the same rounded numbers: only the arithmetic is compared.
    reference = left.to(dtype).float() @ right.to(dtype).float()
    a, b = left.to(place, dtype), right.to(place, dtype)
    result = (a @ b).float().cpu()
    error = ((result - reference).norm() / reference.norm()).item()
    told: dict[str, object] = {
        "device": torch.cuda.get_device_name(place) if on_gpu else "CPU",
        "dtype": str(dtype).removeprefix("torch."),
        "error": error,
        "finite": bool(torch.isfinite(result).all()),
    }
    if on_gpu:
        told["tflops"] = round(_tflops(place, dtype), 1)
    return told


def _tflops(place: torch.device, dtype: Any) -> float:
    """The speed of large products; random numbers, because zeros draw less power."""
    size = TIMED_SIZE
    if torch.cuda.mem_get_info(place)[0] < 8 * size * size:
        size = SIZE
    a = torch.randn(size, size, device=place, dtype=dtype)
    for _ in range(3):
        a @ a
    torch.cuda.synchronize(place)
    rounds, began = 20, time.monotonic()
    for _ in range(rounds):
        a @ a
    torch.cuda.synchronize(place)
    return float(rounds * 2 * size**3 / (time.monotonic() - began) / 1e12)


if __name__ == "__main__":
    sys.exit(main())
