"""Real CPU runs of small models under the ruler, and the same runs simulated."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import bitsandbytes.nn.modules as bnb_modules
import torch
import trl.trainer.utils
from datasets import Dataset
from peft import LoraConfig
from torch.utils.data import SequentialSampler
from transformers import AutoConfig, AutoModelForCausalLM
from trl import SFTConfig

from engine.memory.cards import Card
from engine.spec import Spec
from engine.worker.arguments import lora_arguments, sft_arguments
from engine.worker.load import load_model
from engine.worker.simulate.answer import simulate
from engine.worker.sums import TokenSums
from engine.worker.trl_seams import Trainer
from tests.memory.ruler import measure
from tests.worker.tiny_tokenizer import byte_tokenizer

CPU = Card("RAM", 64.0, (0, 0), 0.0, is_gpu=False)
_SIZES: dict[str, Any] = {
    "vocab_size": 1024,
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
# The last seven are families that the closed form was not written with.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": None},
    "qwen2": {},
    "qwen3": {"head_dim": 64},
    "gemma2": {"head_dim": 32, "sliding_window": 128, "query_pre_attn_scalar": 32},
    "gemma3_text": {
        "head_dim": 32,
        "sliding_window": 128,
        "query_pre_attn_scalar": 32,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "phi3": {"pad_token_id": 0},
    "qwen3_moe": {
        "head_dim": 32,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 96,
    },
    "olmo2": {"pad_token_id": 0},
    "stablelm": {"num_key_value_heads": 8},
    "gpt_neox": {"num_key_value_heads": None},
    "cohere": {},
    "granite": {},
    "starcoder2": {"sliding_window": None},
    "opt": {
        "ffn_dim": 704,
        "word_embed_proj_dim": 256,
        "num_key_value_heads": None,
        "intermediate_size": None,
    },
}


@dataclass(frozen=True)
class Combination:
    """One run; a `tile` of so many vocabulary columns lets the layers show beside the head."""

    architecture: str
    train: dict[str, Any] = field(default_factory=dict)
    dtype: str = "bfloat16"
    attention: str = "auto"
    length: int = 256
    packing: bool = False
    tile: int = 256

    def __str__(self) -> str:
        said = [self.architecture, *(f"{k}={v}" for k, v in self.train.items())]
        return " ".join([*said, self.dtype, self.attention, str(self.length)]) + (
            " packed" * self.packing
        )

    @property
    def config(self) -> dict[str, Any]:
        wanted = {**_SIZES, **ARCHITECTURES[self.architecture]}
        kept = {k: v for k, v in wanted.items() if v is not None or k == "sliding_window"}
        return {"model_type": self.architecture, **kept}

    def spec(self, path: str) -> Spec:
        return Spec.model_validate(
            {
                "model": {"path": path, "dtype": self.dtype, "attention": self.attention},
                "data": {"path": "d", "packing": self.packing},
                "train": {"micro_batch": 2, "accumulation": 1, **self.train},
            }
        )


@dataclass(frozen=True)
class Bytes:
    """Peaks of training and evaluation, weights included, and the weights alone."""

    train: int
    evaluation: int
    weights: int

    def errors(self, real: Bytes) -> tuple[float, float]:
        """Relative errors of both peaks above the weights."""
        return tuple(
            (mine - self.weights) / (theirs - real.weights) - 1
            for mine, theirs in ((self.train, real.train), (self.evaluation, real.evaluation))
        )  # type: ignore[return-value]


def simulated(combination: Combination) -> Bytes:
    with _tile(combination.tile):
        budget = simulate(
            combination.config,
            combination.spec("m"),
            combination.length,
            CPU,
            corrections=False,
        ).budget
    train, evaluation = budget.phase("train"), budget.phase("eval")
    weights = train.size("base weights") + train.size("adapter")
    return Bytes(train.tensor_bytes, evaluation.tensor_bytes, weights)


def real(combination: Combination, folder: Path) -> Bytes:
    """Two optimizer steps of TRL's own loop and an evaluation, read by torch's profiler."""
    path = folder / combination.architecture
    if not path.exists():
        _save(combination.config, path)
    with _tile(combination.tile):
        trainer = _trainer(combination, path, folder / "out")
        held = [*trainer.model.parameters(), *trainer.model.buffers()]
        weights = _num_bytes([*held, *quantised_parts(trainer.model)])
        del held
        train, evaluation = measure(trainer.train, trainer.evaluate)
    return Bytes(weights + train.peak, weights + evaluation.peak, weights)


def quantised_parts(model: Any) -> list[torch.Tensor]:
    """What bitsandbytes keeps beside packed weights: scales, codes, offsets."""
    found = []
    for module in model.modules():
        weight = getattr(module, "weight", None)
        state = getattr(weight, "quant_state", None)
        if state is not None:
            found += [state.absmax, state.code]
            if state.nested:
                found += [state.offset, state.state2.absmax, state.state2.code]
        if type(module).__name__ == "Linear8bitLt" and hasattr(module, "state"):
            scales = (getattr(weight, "SCB", None), module.state.SCB)
            found += [part for part in scales if part is not None]
    return found


def _save(config: dict[str, Any], path: Path) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), dtype=torch.bfloat16)
    model.save_pretrained(path)
    byte_tokenizer().save_pretrained(path)


class _Job:
    phase = ""


def _trainer(combination: Combination, path: Path, out: Path) -> Trainer:
    """The worker's model, arguments and trainer; every other row is a token shorter."""
    spec, length = combination.spec(str(path)), combination.length
    loaded = load_model(str(path), spec, report=lambda done, total: None)
    options = sft_arguments(
        spec,
        output_dir=out,
        max_length=length,
        has_eval=True,
        resuming=False,
        dtype=loaded.dtype,
        on_gpu=False,
    )
    rows = spec.train.micro_batch
    steps = 2 * spec.train.accumulation
    shorter = [{"input_ids": [20] * n, "labels": [20] * n} for n in (length, length - 1)]
    whole = [{"input_ids": [20] * length, "labels": [20] * length}]
    examples = (whole * 2 if combination.packing else shorter) * (rows * steps)
    lora = lora_arguments(spec)
    trainer = Trainer(
        job=_Job(),  # type: ignore[arg-type]
        sums=TokenSums(),
        eval_sums=TokenSums(),
        model=loaded.model,
        args=SFTConfig(**{**options, "max_steps": 2, "eval_on_start": False}),
        train_dataset=Dataset.from_list(examples),
        eval_dataset=Dataset.from_list(shorter * rows),
        processing_class=loaded.tokenizer,
        peft_config=LoraConfig(**lora) if lora else None,
    )
    # else two rows of one length could meet in a batch, which then needs no mask
    trainer._get_train_sampler = SequentialSampler
    return trainer


@contextlib.contextmanager
def _tile(width: int) -> Iterator[None]:
    """TRL's tile of the head takes 32,768 columns whatever the vocabulary has.

    Some CPUs repack 4-bit weights for evaluation, in place of tensors the ruler has not seen come.
    """
    with (
        patch.object(trl.trainer.utils, "_CHUNKED_LOGPROB_CHUNK_SIZE", width),
        patch.object(bnb_modules, "has_avx512bf16", lambda: False),
    ):
        yield


def _num_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the storages, each counted once however many tensors share it."""
    sizes = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(sizes.values())
