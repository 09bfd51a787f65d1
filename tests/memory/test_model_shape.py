"""Parameter counts must equal those of the real classes, or be refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import TailfinError
from engine.memory.model_shape import read_shape

TINY: dict[str, Any] = {
    "vocab_size": 131,
    "hidden_size": 48,
    "intermediate_size": 72,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("llama", {}),
    ("llama", {"tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True}),
    ("llama", {"head_dim": 24, "num_key_value_heads": 6}),
    ("mistral", {}),
    ("mistral", {"head_dim": 16, "sliding_window": None}),
    ("qwen2", {"tie_word_embeddings": True}),
    ("qwen3", {"head_dim": 16}),
    ("qwen3", {"head_dim": 16, "attention_bias": True, "tie_word_embeddings": True}),
    ("smollm3", {"pad_token_id": 0}),
    ("gemma", {"head_dim": 16}),
    ("gemma2", {"head_dim": 16}),
    ("gemma3_text", {"head_dim": 16}),
    ("phi3", {"pad_token_id": 0}),
    ("mixtral", {"num_local_experts": 4}),
    ("qwen3_moe", {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}),
    (
        "qwen3_moe",
        {"num_experts": 4, "moe_intermediate_size": 24, "mlp_only_layers": [1], "head_dim": 16},
    ),
    ("qwen3_moe", {"num_experts": 4, "moe_intermediate_size": 24, "decoder_sparse_step": 2}),
]


def _real_model(model_type: str, options: dict[str, Any]) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(model_type, **{**TINY, **options})
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize(("model_type", "options"), CASES)
def test_counts_equal_the_real_class(model_type: str, options: dict[str, Any]) -> None:
    import torch

    model = _real_model(model_type, options)
    shape = read_shape(json.loads(model.config.to_json_string(use_diff=True)))
    assert shape.params == sum(p.numel() for p in model.parameters())
    layers = model.model.layers
    assert [kind.params for kind in shape.layer_kinds()] == [
        sum(p.numel() for p in layer.parameters()) for layer in layers
    ]
    for kind, layer in zip(shape.layer_kinds(), layers, strict=True):
        real = {
            name.rpartition(".")[2]: (m.in_features, m.out_features, m.bias is not None)
            for name, m in layer.named_modules()
            if isinstance(m, torch.nn.Linear)
        }
        assert {x.name: (x.d_in, x.d_out, x.bias) for x in kind.linears} == real


def test_nested_text_config_is_read() -> None:
    nested = {"model_type": "wrapper", "text_config": {"model_type": "llama", **TINY}}
    assert read_shape(nested).params == read_shape({"model_type": "llama", **TINY}).params


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "mamba", **TINY},
        TINY,
        {"model_type": "llama", **TINY, "vision_config": {"hidden_size": 8}},
        {"model_type": "llama", **TINY, "quantization_config": {"quant_method": "gptq"}},
    ],
)
def test_unknown_is_refused_never_guessed(config: dict[str, Any]) -> None:
    with pytest.raises(TailfinError) as caught:
        read_shape(config)
    assert caught.value.error_id == "budget.not-modelled"
    assert "llama" in caught.value.hint


@pytest.mark.parametrize("value", [None, "48", 0, -1, True, 4.5])
def test_a_bad_size_names_its_field(value: object) -> None:
    with pytest.raises(TailfinError, match="hidden_size"):
        read_shape({"model_type": "llama", **TINY, "hidden_size": value})


@given(
    st.dictionaries(
        st.sampled_from([*TINY, "model_type", "head_dim", "sliding_window", "text_config"]),
        st.one_of(st.integers(), st.text(), st.none(), st.lists(st.integers()), st.just("llama")),
    )
)
@settings(max_examples=200)
def test_any_config_gives_a_shape_or_a_message(config: dict[str, Any]) -> None:
    try:
        shape = read_shape(config)
    except TailfinError as error:
        assert error.hint
    else:
        assert shape.params > 0
