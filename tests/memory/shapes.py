"""Model shapes and specs for estimates."""

from __future__ import annotations

from typing import Any

from engine.memory.model_shape import read_shape
from engine.spec import Spec

LLAMA_8B_CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16",
}
LLAMA_8B = read_shape(LLAMA_8B_CONFIG)
SMALL = read_shape(
    {
        "model_type": "qwen3",
        "vocab_size": 8192,
        "hidden_size": 256,
        "intermediate_size": 768,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
    }
)
MIXTURE = read_shape(
    {
        "model_type": "qwen3_moe",
        "vocab_size": 8192,
        "hidden_size": 256,
        "intermediate_size": 768,
        "moe_intermediate_size": 96,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
    }
)


def a_spec(*, attention: str = "auto", packing: bool = False, **train: Any) -> Spec:
    """A spec with these train settings."""
    return Spec.model_validate(
        {
            "model": {"path": "m", "attention": attention},
            "data": {"path": "d", "packing": packing},
            "train": train,
        }
    )
