"""A whole step of a plain loop against torch: embedding, layers, head, loss, gradients."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from engine.memory.model_shape import ModelShape, read_shape
from engine.memory.recipe import Recipe
from engine.memory.step import train_moments
from engine.memory.weights import bytes_of, layer_gradient_bytes, trained_tensors
from tests.memory.real_layers import RANK, SIZES
from tests.memory.ruler import measure

LAYERS = {"num_hidden_layers": 4}
CASES: list[tuple[str, dict[str, Any], bool, bool, bool, bool]] = [
    # model type, options, half precision, adapter, checkpointing, accumulating
    ("llama", {}, True, True, True, False),
    ("llama", {}, True, True, False, False),
    ("llama", {}, False, True, True, True),
    ("llama", {}, True, False, True, False),
    ("llama", {}, True, False, False, False),
    ("llama", {}, False, False, True, False),
    ("llama", {}, False, False, False, True),
    ("llama", {"vocab_size": 4096, "tie_word_embeddings": True}, False, False, True, False),
    ("llama", {"vocab_size": 4096, "tie_word_embeddings": True}, False, False, True, True),
    ("llama", {"vocab_size": 8192}, True, True, True, False),
    ("qwen3", {"vocab_size": 4096}, True, True, True, False),
    ("gemma3_text", {}, True, True, False, False),
]


@pytest.mark.parametrize(("model_type", "options", "half", "adapter", "checks", "adds"), CASES)
def test_highest_moment_is_the_real_peak(
    model_type: str, options: dict[str, Any], half: bool, adapter: bool, checks: bool, adds: bool
) -> None:
    dtype = torch.bfloat16 if half else torch.float32
    config = AutoConfig.for_model(model_type, **{**SIZES, **LAYERS, **options})
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    shape = read_shape(json.loads(model.config.to_json_string()))
    if adapter:
        model = get_peft_model(model, LoraConfig(r=RANK, target_modules="all-linear"))
    model.train()
    if checks:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    ids = torch.randint(0, shape.vocab, (2, 64 if shape.vocab == 4096 else 256))

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            out = model(input_ids=ids, labels=ids)
        out.loss.backward()

    step()
    if not adds:
        model.zero_grad()
    (reading,) = measure(step)
    recipe = _recipe(shape, ids, half=half, adapter=adapter, checks=checks, adds=adds)
    predicted = _highest(shape, recipe)
    # without checkpointing the first layer of a frozen model keeps less: no gradient for its input
    assert predicted == pytest.approx(reading.peak, rel=0.02)


def _highest(shape: ModelShape, recipe: Recipe) -> int:
    count = len(shape.layers)
    gradients = bytes_of(trained_tensors(shape, recipe, count), recipe)
    layers = tuple(layer_gradient_bytes(kind, recipe) for kind in shape.layer_kinds())
    moments = train_moments(
        shape,
        recipe,
        num_trained_layers=count,
        layer_gradients=layers,
        other_gradients=gradients - sum(layers),
    )
    # gradients that were there before are not part of the reading
    return max(m.total for m in moments) - (gradients if recipe.accumulating else 0)


def _recipe(
    shape: ModelShape, ids: torch.Tensor, *, half: bool, adapter: bool, checks: bool, adds: bool
) -> Recipe:
    item = 2 if half else 4
    names = frozenset(linear.name for linear in shape.kinds[0].linears)
    return Recipe(
        rows=ids.shape[0],
        length=ids.shape[1],
        granule=1,
        on_gpu=False,
        blas_workspace=0,
        accumulating=adds,
        base_item=item,
        norm_item=item,
        embedding_item=item,
        head_item=item,
        compute_item=item,
        autocast=half,
        trains_base=not adapter,
        trains_head=not adapter,
        targets=names if adapter else frozenset(),
        rank=RANK if adapter else 0,
        checkpointing=checks,
        fused_head=False,
        keeps_logits=True,
    )
