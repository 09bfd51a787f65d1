"""Decoder layers against torch itself: bytes kept for backward, and both peaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.memory.layer import decoder_layer
from engine.memory.model_shape import ModelShape
from engine.memory.recipe import Recipe
from engine.memory.tape import Tape
from tests.memory.real_layers import Case, recipe_of, run_layers

MHA = {"num_key_value_heads": 8}
MOE = {**MHA, "num_experts_per_tok": 2}
CASES = [
    Case("lora"),
    Case("lora fp32", half=False),
    Case("lora dropout", dropout=0.1, tolerance=0.005),  # the CPU kernel's own scratch
    Case("full", adapter=False),
    Case("full fp32", adapter=False, half=False),
    Case("eager", kernel="eager"),
    Case("eager fp32", kernel="eager", half=False, options=MHA),
    Case("math", kernel="math"),
    Case("math fp32", kernel="math", half=False),
    Case("mask", kernel="efficient"),
    Case("mask fp32 one row", kernel="efficient", half=False, rows=1, length=512),
    Case("qwen2", "qwen2"),
    Case("qwen3", "qwen3", MHA),
    Case("gemma", "gemma"),
    Case("gemma2", "gemma2", kernel="eager"),
    Case("gemma3", "gemma3_text", MHA),
    Case("phi3", "phi3", {"pad_token_id": 0}),
    Case("mistral", "mistral"),
    Case("mixtral", "mixtral", {**MOE, "num_local_experts": 4}, tolerance=0.005),
    Case(
        "mixtral full", "mixtral", {**MOE, "num_local_experts": 4}, adapter=False, tolerance=0.005
    ),
    Case(
        "qwen3_moe",
        "qwen3_moe",
        {**MOE, "num_experts": 4, "moe_intermediate_size": 64},
        tolerance=0.005,
    ),
    Case("nf4", bits=4),
    Case("nf4 single", bits=4, double_quant=False),
    Case("nf4 fp32", bits=4, half=False),
    # the CPU computes products of two formats through copies that a GPU does not make
    Case("dora", dora=True, tolerance=0.055),
    Case("nf4 dora fp32", bits=4, dora=True, half=False, tolerance=0.055),
    Case("int8 fp32", bits=8, half=False, tolerance=0.03),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layers_need_what_torch_allocates(case: Case, tmp_path: Path) -> None:
    shape, forward, backward = run_layers(case, tmp_path)
    kept, forward_peak, backward_peak = _predicted(shape, recipe_of(case, shape))
    assert kept == pytest.approx(forward.left, rel=min(case.tolerance, 0.005))
    assert forward_peak == pytest.approx(forward.peak, rel=case.tolerance)
    assert backward_peak == pytest.approx(backward.peak, rel=case.tolerance)


def _predicted(shape: ModelShape, recipe: Recipe) -> tuple[int, int, int]:
    tape = Tape(granule=1, keep=True, accumulating=False)
    hidden = tape.new(recipe.tokens * shape.hidden, recipe.embedding_item)
    for kind in shape.layer_kinds():
        after = decoder_layer(tape, recipe, shape, kind, hidden)
        tape.drop(hidden)
        hidden = after
    kept, forward = sum(tape.live), tape.peak.total
    tape.drop(hidden)
    tape.forget_peak()
    tape.backward(hidden)
    return kept, forward, tape.peak.total
