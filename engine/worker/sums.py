"""Token-weighted sums of loss, accuracy and entropy, kept on the device until they are read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class TokenMeans:
    """Mean loss and entropy in nats, share of tokens predicted right, over so many tokens."""

    loss: float
    accuracy: float
    entropy: float
    num_tokens: int


class TokenSums:
    """Adds up a forward's per-token outputs; `take` returns their means and starts again."""

    def __init__(self) -> None:
        self._sums: torch.Tensor | None = None

    def add(self, outputs: Any) -> None:
        """Add one forward's `label_mask`, `log_probs`, `is_top1`, `entropy`; others are ignored."""
        mask = getattr(outputs, "label_mask", None)
        if mask is None:
            return
        new = torch.stack(
            [
                mask.sum().double(),
                -outputs.log_probs.detach().sum().double(),
                outputs.is_top1.sum().double(),
                outputs.entropy.detach().sum().double(),
            ]
        )
        self._sums = new if self._sums is None else self._sums + new

    def take(self) -> TokenMeans:
        if self._sums is None:
            return TokenMeans(math.nan, math.nan, math.nan, 0)
        tokens, loss, right, entropy = self._sums.tolist()
        self._sums = None
        if tokens == 0:
            return TokenMeans(math.nan, math.nan, math.nan, 0)
        return TokenMeans(loss / tokens, right / tokens, entropy / tokens, int(tokens))
