"""Attention that writes its scores, without gradients, against torch."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from transformers.models.llama.modeling_llama import eager_attention_forward

from engine.memory.attention import _scores
from engine.memory.cards import Card
from engine.memory.plan import plan_step
from engine.memory.tape import Tape
from tests.memory.ruler import measure
from tests.memory.shapes import SMALL, a_spec

TOKENS = 256


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_scores_stay_named_while_the_softmax_changes_their_format(dtype: str) -> None:
    form = getattr(torch, dtype)
    heads, few, size = SMALL.heads, SMALL.kv_heads, SMALL.head_dim
    query = torch.zeros(1, heads, TOKENS, size, dtype=form)
    key = torch.zeros(1, few, TOKENS, size, dtype=form)
    mask = torch.zeros(1, 1, TOKENS, TOKENS, dtype=form)
    layer = SimpleNamespace(num_key_value_groups=heads // few, training=False)

    def forward() -> None:
        with torch.no_grad():
            eager_attention_forward(layer, query, key, key.clone(), mask, scaling=0.1)

    (reading,) = measure(forward)

    item = form.itemsize
    card = Card("RAM", 8.0, (0, 0), 0.0, is_gpu=False)
    recipe = replace(
        plan_step(SMALL, a_spec(attention="eager"), TOKENS, card, rows=1),
        autocast=False, kernel="eager", mask_item=item, evaluating=True,
    )  # fmt: skip
    tape = Tape(granule=1, keep=False, accumulating=False)
    q, k = (tape.new(x.numel(), item) for x in (query, key))
    before = sum(tape.live)
    v = tape.new(key.numel(), item)
    _scores(tape, recipe, SMALL, q, k, v)
    assert tape.peak.total - before == pytest.approx(reading.peak, rel=0.005)
