"""Import the flash-attn package, which must fit torch to the symbol, and run it where a GPU is."""

from __future__ import annotations

import json
import sys

import flash_attn
import torch
from torch.nn.functional import scaled_dot_product_attention

# Batch, tokens, heads, width of a head: the order flash-attn takes.
SHAPE = (2, 256, 8, 64)


def main() -> int:
    told: dict[str, object] = {"flash_attn": flash_attn.__version__}
    if torch.cuda.is_available():
        torch.manual_seed(0)
        inputs = [torch.randn(SHAPE, device="cuda", dtype=torch.float16) for _ in range(3)]
        result = flash_attn.flash_attn_func(*inputs, causal=True).float()
        turned = [one.float().transpose(1, 2) for one in inputs]
        reference = scaled_dot_product_attention(*turned, is_causal=True).transpose(1, 2)
        told["error"] = ((result - reference).norm() / reference.norm()).item()
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
