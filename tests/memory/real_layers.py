"""Real decoder layers with an adapter, to run once under the ruler."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

from engine.memory.model_shape import ModelShape, read_shape
from engine.memory.recipe import Recipe
from tests.memory.ruler import Reading, measure

SIZES: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "head_dim": 32,
}
RANK = 8


@dataclass(frozen=True)
class Case:
    """One combination; `kernel` is how attention runs, `bits` quantises the base."""

    name: str
    model_type: str = "llama"
    options: dict[str, Any] = field(default_factory=dict)
    half: bool = True
    adapter: bool = True
    kernel: str = "flash"
    bits: int = 0
    double_quant: bool = True
    dora: bool = False
    dropout: float = 0.0
    rows: int = 2
    length: int = 256
    tolerance: float = 0.001

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.half else torch.float32


def run_layers(case: Case, folder: Path) -> tuple[ModelShape, Reading, Reading]:
    """Shape, and readings of forward and backward through all layers."""
    model, shape = _model(case, folder)
    backbone = (model.get_base_model() if case.adapter else model).model.train()
    x = (torch.randn(case.rows, case.length, shape.hidden) * 0.1).to(case.dtype)
    x.requires_grad_()
    positions = torch.arange(case.length)[None]
    mask = _mask(case)
    angles = _angles(backbone, x, positions)
    box: dict[str, Any] = {}

    def forward() -> None:
        math = sdpa_kernel(SDPBackend.MATH) if case.kernel == "math" else contextlib.nullcontext()
        with math, torch.autocast("cpu", dtype=torch.bfloat16, enabled=case.half):
            hidden = x * 1
            for layer, angle in zip(backbone.layers, angles, strict=True):
                hidden = layer(
                    hidden,
                    attention_mask=mask,
                    position_ids=positions,
                    position_embeddings=angle,
                )
        box["hidden"] = hidden

    def reduce() -> None:
        box["loss"] = (box.pop("hidden") * 1.0).sum()

    if case.bits:  # bitsandbytes rebuilds things on its first pass
        forward()
        box.clear()
    first, _, last = measure(forward, reduce, lambda: box.pop("loss").backward())
    return shape, first, last


def recipe_of(case: Case, shape: ModelShape) -> Recipe:
    """The same combination as the estimate sees it."""
    item = 2 if case.half else 4
    names = frozenset(linear.name for kind in shape.kinds for linear in kind.linears)
    sparse = shape.kinds[0].experts is not None
    masks = {"eager": item, "efficient": 1}
    return Recipe(
        rows=case.rows,
        length=case.length,
        granule=1,
        on_gpu=False,
        blas_workspace=0,
        accumulating=False,
        base_item=item,
        norm_item=item,
        embedding_item=item,
        head_item=item,
        compute_item=item,
        autocast=case.half,
        bits=case.bits,
        double_quant=case.double_quant and case.bits == 4,
        trains_base=not case.adapter,
        targets=names if case.adapter else frozenset(),
        expert_targets=frozenset({"router", "gate_up", "down"} if case.adapter and sparse else ()),
        rank=RANK if case.adapter else 0,
        lora_item=2 if case.bits else 4,
        dropout=case.dropout > 0,
        dora=case.dora,
        kernel=case.kernel,  # type: ignore[arg-type]
        grouped=case.kernel == "flash",
        mask_item=masks.get(case.kernel, 0),
    )


def _model(case: Case, folder: Path) -> tuple[Any, ModelShape]:
    attention = "eager" if case.kernel == "eager" else "sdpa"
    config = AutoConfig.for_model(case.model_type, **{**SIZES, **case.options})
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(
        config, dtype=case.dtype, attn_implementation=attention
    )
    shape = read_shape(json.loads(model.config.to_json_string()))
    if case.bits:
        model.save_pretrained(folder)
        quantised = (
            BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=case.double_quant,
                bnb_4bit_compute_dtype=case.dtype,
            )
            if case.bits == 4
            else BitsAndBytesConfig(load_in_8bit=True)
        )
        model = AutoModelForCausalLM.from_pretrained(
            folder, quantization_config=quantised, dtype=case.dtype, device_map="cpu"
        )
    if case.adapter:
        lora = LoraConfig(
            r=RANK,
            target_modules="all-linear",
            use_dora=case.dora,
            lora_dropout=case.dropout,
        )
        model = get_peft_model(model, lora)
        if case.bits:  # as TRL does it
            for name, parameter in model.named_parameters():
                if parameter.requires_grad and "magnitude" not in name:
                    parameter.data = parameter.data.to(torch.bfloat16)
    return model, shape


def _mask(case: Case) -> torch.Tensor | None:
    size = (case.rows, 1, case.length, case.length)
    if case.kernel == "eager":
        return torch.zeros(size, dtype=case.dtype)
    if case.kernel == "efficient":  # one padded token, so that it cannot be left out
        mask = torch.ones(size, dtype=torch.bool).tril()
        mask[0, :, :, 0] = False
        return mask
    return None


def _angles(backbone: Any, x: torch.Tensor, positions: torch.Tensor) -> list[Any]:
    """Cosine and sine per layer; Gemma 3 has one pair per kind of layer."""
    kinds = backbone.config.layer_types if type(backbone).__name__ == "Gemma3TextModel" else None
    if kinds is None:
        return [backbone.rotary_emb(x, positions)] * len(backbone.layers)
    pairs = {kind: backbone.rotary_emb(x, positions, kind) for kind in set(kinds)}
    return [pairs[kind] for kind in kinds]
