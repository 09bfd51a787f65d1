"""TRL's tiled head against the estimate: the tile, the sums, and gradients in float32."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from trl.kernels.chunked_logprob import ChunkedLogProbFunction

from engine.memory.cards import Card
from engine.memory.head import head_and_loss
from engine.memory.plan import plan_step
from engine.memory.tape import Tape
from tests.memory.ruler import measure
from tests.memory.shapes import SMALL, a_spec

TILE_VOCAB = 32768
TOKENS = 256


@pytest.mark.parametrize("trains_head", [False, True])
def test_the_tiled_head_needs_what_it_allocates(trains_head: bool) -> None:
    hidden = torch.randn(TOKENS, SMALL.hidden, requires_grad=True)
    weight = torch.randn(SMALL.vocab // 8, SMALL.hidden, requires_grad=trains_head)
    labels = torch.zeros(TOKENS, dtype=torch.long)
    outputs = ("log_probs", "entropy", "is_top1")
    box: dict[str, Any] = {}

    def forward() -> None:
        box["out"] = ChunkedLogProbFunction.apply(
            hidden, weight, None, labels, 1.0, TILE_VOCAB, None, 1.0, outputs
        )[0]

    def backward() -> None:
        box.pop("out").sum().backward()

    readings = measure(forward, backward)
    predicted = _predicted(trains_head)
    for reading, peak in zip(readings, predicted, strict=True):
        assert peak == pytest.approx(reading.peak, rel=0.05)
        assert reading.peak >= TOKENS * TILE_VOCAB * 4


def _predicted(trains_head: bool) -> tuple[int, int]:
    shape = replace(SMALL, vocab=SMALL.vocab // 8)
    card = Card("RAM", 8.0, (0, 0), 0.0, is_gpu=False)
    spec = a_spec(method="full" if trains_head else "lora", micro_batch=1)
    recipe = replace(plan_step(shape, spec, TOKENS, card), accumulating=False)
    tape = Tape(granule=1, keep=True, accumulating=False)
    out = head_and_loss(tape, recipe, shape, tape.new(TOKENS * shape.hidden, 4))
    forward = tape.peak.total
    tape.forget_peak()
    tape.backward(out)
    return forward, tape.peak.total
