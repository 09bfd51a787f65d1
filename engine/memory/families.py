"""What distinguishes the decoder-only model families of transformers, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Family:
    """Rules of one `model_type`; read in transformers 5.23, `models/<name>/modeling_<name>.py`.

    A bias rule is a constant or the config switch that decides it. `kv_heads`, `head_dim`, `tied`
    and `sliding_window` are the config class's defaults for a config.json that leaves them out; 0
    means "derived": as many key as query heads, or hidden size / heads.
    """

    name: str
    tied: bool = False
    kv_heads: int = 0
    head_dim: int = 0
    qkv_bias: bool | str = False
    out_bias: bool | str = False
    mlp_bias: bool | str = False
    fused: bool = False
    """One linear for query, key and value, and one for gate and up."""
    layer_norms: int = 2
    qk_norm: bool = False
    norm_style: Literal["llama", "gemma"] = "llama"
    expert_size: str = ""
    """Config field with the inner size of one expert; empty for dense models."""
    wide_routing: bool = False
    """Routing weights are not cast back from float32."""
    sliding_window: int = 0
    window_switch: str = ""
    """Config switch without which `sliding_window` is ignored."""
    can_cap_scores: bool = False
    supports_sdpa: bool = True


_ALL = (
    Family("llama", qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias"),
    Family("mistral", kv_heads=8, sliding_window=4096),
    Family(
        "qwen2", kv_heads=32, qkv_bias=True, sliding_window=4096, window_switch="use_sliding_window"
    ),
    Family(
        "qwen3",
        kv_heads=32,
        head_dim=128,
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        qk_norm=True,
        sliding_window=4096,
        window_switch="use_sliding_window",
    ),
    Family(
        "smollm3",
        tied=True,
        kv_heads=4,
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        mlp_bias="mlp_bias",
        window_switch="use_sliding_window",
    ),
    Family(
        "gemma",
        tied=True,
        kv_heads=16,
        head_dim=256,
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        norm_style="gemma",
    ),
    Family(
        "gemma2",
        tied=True,
        kv_heads=4,
        head_dim=256,
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        layer_norms=4,
        norm_style="gemma",
        sliding_window=4096,
        can_cap_scores=True,
        supports_sdpa=False,
    ),
    Family(
        "gemma3_text",
        tied=True,
        kv_heads=4,
        head_dim=256,
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        layer_norms=4,
        qk_norm=True,
        norm_style="gemma",
        sliding_window=4096,
        can_cap_scores=True,
    ),
    Family("phi3", fused=True),
    Family("mixtral", kv_heads=8, expert_size="intermediate_size", wide_routing=True),
    Family(
        "qwen3_moe",
        kv_heads=4,
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        qk_norm=True,
        expert_size="moe_intermediate_size",
        sliding_window=4096,
        window_switch="use_sliding_window",
    ),
)

FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}
