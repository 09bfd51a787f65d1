"""Compile a small Triton kernel and run it: it needs a C compiler and Python's headers."""

from __future__ import annotations

import json
import sys
import time

import torch
import triton
import triton.language as tl

LENGTH = 4099
BLOCK = 1024


@triton.jit
def _add(left, right, out, length, block: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.program_id(0) * block + tl.arange(0, block)
    inside = at < length
    total = tl.load(left + at, mask=inside) + tl.load(right + at, mask=inside)
    tl.store(out + at, total, mask=inside)


def main() -> int:
    left = torch.randn(LENGTH, device="cuda")
    right = torch.randn(LENGTH, device="cuda")
    out = torch.empty_like(left)
    began = time.monotonic()
    _add[(triton.cdiv(LENGTH, BLOCK),)](left, right, out, LENGTH, block=BLOCK)
    torch.cuda.synchronize()
    seconds = time.monotonic() - began
    told = {
        "triton": triton.__version__,
        "seconds": round(seconds, 2),
        "equal": bool(torch.equal(out.cpu(), left.cpu() + right.cpu())),
    }
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
