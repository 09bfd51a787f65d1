"""Every parameter tensor of a decoder-only model, read from its config.json alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from engine.errors import TailfinError
from engine.memory.families import FAMILIES, Family

Config = Mapping[str, object]
NormStyle = Literal["llama", "gemma"]
DTYPE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, slots=True)
class Linear:
    """One `nn.Linear` of a decoder layer; only these are quantised and get adapters."""

    name: str
    d_in: int
    d_out: int
    bias: bool = False

    @property
    def weight_params(self) -> int:
        return self.d_in * self.d_out

    @property
    def params(self) -> int:
        return self.weight_params + (self.d_out if self.bias else 0)


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture of experts: three-dimensional tensors and a router, none of them an `nn.Linear`."""

    count: int
    top_k: int
    d_ff: int
    hidden: int
    wide_weights: bool
    """Routing weights stay in float32, and so does the weighted output (Mixtral)."""

    @property
    def tensors(self) -> tuple[int, ...]:
        """Elements of router, gate-and-up, and down tensor."""
        return (
            self.count * self.hidden,
            self.count * 2 * self.d_ff * self.hidden,
            self.count * self.hidden * self.d_ff,
        )


@dataclass(frozen=True, slots=True)
class LayerKind:
    """One kind of decoder layer: its linears, its norm vectors and, in a mixture, its experts."""

    linears: tuple[Linear, ...]
    norms: tuple[int, ...]
    experts: Experts | None

    @property
    def params(self) -> int:
        experts = sum(self.experts.tensors) if self.experts else 0
        return sum(linear.params for linear in self.linears) + sum(self.norms) + experts

    def linear(self, name: str) -> Linear | None:
        return next((linear for linear in self.linears if linear.name == name), None)


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A decoder-only model as sizes; `layers[i]` is the index of layer i's kind in `kinds`."""

    model_type: str
    hidden: int
    vocab: int
    heads: int
    kv_heads: int
    head_dim: int
    tied: bool
    kinds: tuple[LayerKind, ...]
    layers: tuple[int, ...]
    norm_style: NormStyle
    max_positions: int
    sliding_window: int
    """Window in tokens of the layers that have one; 0 where no layer has."""
    checkpoint_bytes: int
    """Bytes per parameter in the downloaded checkpoint."""
    scores_capped: bool
    """Attention scores pass through a soft cap."""
    supports_sdpa: bool
    has_custom_code: bool

    @property
    def embedding_params(self) -> int:
        return self.vocab * self.hidden

    @property
    def head_params(self) -> int:
        """Parameters of an output head of its own; 0 when it shares the embedding."""
        return 0 if self.tied else self.vocab * self.hidden

    @property
    def layer_params(self) -> int:
        return sum(self.kinds[kind].params for kind in self.layers)

    @property
    def params(self) -> int:
        return self.embedding_params + self.head_params + self.layer_params + self.hidden

    def layer_kinds(self) -> Iterator[LayerKind]:
        """The kind of each layer, first layer first."""
        return (self.kinds[kind] for kind in self.layers)


def read_shape(config: Config, *, where: str = "config.json") -> ModelShape:
    """The shape of a model from its config.json; parameter counts are exact or there is none.

    Raises TailfinError (`budget.not-modelled`) for architectures whose tensors are not known here,
    and (`budget.config`) for a config without a required size.
    """
    text = _text_config(config, where)
    family = _family(text, where)
    read = _Reader(text, where)
    hidden, heads = read.size("hidden_size"), read.size("num_attention_heads")
    head_dim = read.optional("head_dim", family.head_dim) or hidden // heads
    kv_heads = read.optional("num_key_value_heads", family.kv_heads) or heads
    count = read.size("num_hidden_layers")
    kinds, layers = _layers(family, read, hidden, heads, kv_heads, head_dim, count)
    tied = text.get("tie_word_embeddings", config.get("tie_word_embeddings", family.tied))
    return ModelShape(
        model_type=family.name,
        hidden=hidden,
        vocab=read.size("vocab_size"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        tied=bool(tied),
        kinds=kinds,
        layers=layers,
        norm_style=family.norm_style,
        max_positions=read.optional("max_position_embeddings", 0),
        sliding_window=_sliding_window(family, read, text),
        checkpoint_bytes=_checkpoint_bytes(config, text),
        scores_capped=bool(text.get("attn_logit_softcapping")) and family.can_cap_scores,
        supports_sdpa=family.supports_sdpa,
        has_custom_code="auto_map" in config,
    )


def _text_config(config: Config, where: str) -> Config:
    if config.get("quantization_config"):
        raise _not_modelled("a checkpoint that is already quantised", where)
    if config.get("vision_config") or config.get("audio_config"):
        raise _not_modelled("a model with a vision or audio tower", where)
    nested = config.get("text_config")
    return nested if isinstance(nested, Mapping) else config


def _family(text: Config, where: str) -> Family:
    name = str(text.get("model_type", ""))
    if name not in FAMILIES:
        raise _not_modelled(
            f"model_type {name!r}" if name else "a config without model_type", where
        )
    return FAMILIES[name]


def _layers(
    family: Family, read: _Reader, hidden: int, heads: int, kv_heads: int, head_dim: int, count: int
) -> tuple[tuple[LayerKind, ...], tuple[int, ...]]:
    q_out, kv_out = heads * head_dim, kv_heads * head_dim
    qkv_bias, out_bias = read.flag(family.qkv_bias), read.flag(family.out_bias)
    out = Linear("o_proj", q_out, hidden, out_bias)
    if family.fused:
        attention: tuple[Linear, ...] = (Linear("qkv_proj", hidden, q_out + 2 * kv_out), out)
    else:
        attention = (
            Linear("q_proj", hidden, q_out, qkv_bias),
            Linear("k_proj", hidden, kv_out, qkv_bias),
            Linear("v_proj", hidden, kv_out, qkv_bias),
            out,
        )
    norms = (hidden,) * family.layer_norms + ((head_dim,) * 2 if family.qk_norm else ())
    dense = _dense_mlp(family, read, hidden)
    if not family.expert_size:
        return (LayerKind(attention + dense, norms, None),), (0,) * count
    experts = Experts(
        # transformers 5 writes num_local_experts where older releases wrote num_experts
        count=read.size("num_experts" if "num_experts" in read.config else "num_local_experts"),
        top_k=read.size("num_experts_per_tok"),
        d_ff=read.size(family.expert_size),
        hidden=hidden,
        wide_weights=family.wide_routing,
    )
    sparse = LayerKind(attention, norms, experts)
    skip = read.integers("mlp_only_layers")
    step = read.optional("decoder_sparse_step", 1)
    is_dense = tuple(i in skip or (i + 1) % step != 0 for i in range(count))
    if not any(is_dense):
        return (sparse,), (0,) * count
    return (sparse, LayerKind(attention + dense, norms, None)), tuple(int(d) for d in is_dense)


def _dense_mlp(family: Family, read: _Reader, hidden: int) -> tuple[Linear, ...]:
    d_ff, bias = read.size("intermediate_size"), read.flag(family.mlp_bias)
    down = Linear("down_proj", d_ff, hidden, bias)
    if family.fused:
        return (Linear("gate_up_proj", hidden, 2 * d_ff), down)
    return (Linear("gate_proj", hidden, d_ff, bias), Linear("up_proj", hidden, d_ff, bias), down)


def _sliding_window(family: Family, read: _Reader, text: Config) -> int:
    if family.window_switch and not text.get(family.window_switch, False):
        return 0
    return read.optional("sliding_window", family.sliding_window)


def _checkpoint_bytes(config: Config, text: Config) -> int:
    named = text.get("dtype") or text.get("torch_dtype") or config.get("dtype")
    named = named or config.get("torch_dtype") or "float32"
    return DTYPE_BYTES.get(str(named).removeprefix("torch."), 4)


def _not_modelled(what: str, where: str) -> TailfinError:
    return TailfinError(
        f"The memory estimate does not model {what}; a guess could be wrong by a factor of two.",
        f"Known are: {', '.join(sorted(FAMILIES))}. Try a short run: "
        "tailfin train --set train.max_steps=2 shows the real peak.",
        where=where,
        error_id="budget.not-modelled",
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads sizes out of a config and says which field was at fault."""

    config: Config
    where: str

    def size(self, field: str) -> int:
        value = self.config.get(field)
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise self._fault(field, value)
        return value

    def optional(self, field: str, default: int) -> int:
        value = self.config.get(field, default)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._fault(field, value)
        return value

    def flag(self, rule: bool | str) -> bool:
        """A constant, or the config's own switch of that name (off where it is absent)."""
        return rule if isinstance(rule, bool) else bool(self.config.get(rule, False))

    def integers(self, field: str) -> frozenset[int]:
        value = self.config.get(field) or []
        if not isinstance(value, list) or not all(isinstance(item, int) for item in value):
            raise self._fault(field, value)
        return frozenset(value)

    def _fault(self, field: str, value: object) -> TailfinError:
        return TailfinError(
            f"The field {field} of {self.where} is {value!r}; a whole number was expected.",
            "Check that the folder or hub name is a complete transformers model.",
            where=f"{self.where}: {field}",
            error_id="budget.config",
        )
