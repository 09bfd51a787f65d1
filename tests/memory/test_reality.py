"""One real TRL step per setting: weights, adapter, gradients and states counted to the byte."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback
from trl import SFTConfig, SFTTrainer

from engine.memory.cards import Card
from engine.memory.estimate import estimate
from engine.memory.model_shape import read_shape
from engine.memory.optimizer import optimizer_bytes
from engine.memory.plan import pick_dtype, plan_step
from engine.memory.weights import bytes_of, trained_tensors
from engine.spec import Spec
from engine.worker.arguments import lora_arguments, sft_arguments
from engine.worker.load import load_model
from engine.worker.load import pick_dtype as worker_rule
from tests.memory.ruler import measure
from tests.worker.tiny_tokenizer import byte_tokenizer

CPU = Card("RAM", 64.0, (0, 0), 0.0, is_gpu=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with tensors on both sides of every optimizer's size limits."""
    path = tmp_path_factory.mktemp("model")
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=256,
        intermediate_size=448,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        attention_bias=True,
        tie_word_embeddings=False,
        dtype="bfloat16",
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(path)
    byte_tokenizer().save_pretrained(path)
    return path


class _Gradients(TrainerCallback):
    """Bytes of all gradients just before the optimizer moves."""

    total = 0

    def on_pre_optimizer_step(self, *_: Any, model: Any, **__: Any) -> None:
        self.total = _bytes(p.grad for p in model.parameters() if p.grad is not None)


SETTINGS: list[dict[str, Any]] = [
    {"method": "lora"},
    {"method": "lora", "dora": True, "optimizer": "adamw_8bit"},
    {"method": "lora", "targets": "q_proj,down_proj", "rank": 5, "optimizer": "lion_8bit"},
    {"method": "lora", "optimizer": "adafactor"},
    {"method": "lora", "optimizer": "sgd"},
    {"method": "qlora"},
    {"method": "qlora", "double_quant": False, "optimizer": "paged_adamw_32bit"},
    {"method": "qlora", "dora": True},
    {"method": "qlora", "quantize_bits": 8, "optimizer": "paged_adamw_8bit"},
    {"method": "full"},
    {"method": "full", "optimizer": "adamw_8bit"},
    {"method": "full", "optimizer": "adafactor"},
    {"method": "freeze", "trainable_layers": 1},
]


@pytest.mark.parametrize(
    ("train", "dtype"),
    [
        *((train, "bfloat16") for train in SETTINGS),
        *((train, "float32") for train in SETTINGS if len(train) == 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_bytes_equal_a_real_step(
    folder: Path, tmp_path: Path, train: dict[str, Any], dtype: str
) -> None:
    spec = Spec.model_validate(
        {
            "model": {"path": str(folder), "dtype": dtype},
            "data": {"path": "d"},
            "train": {"micro_batch": 1, "accumulation": 1, **train},
        }
    )
    trainer, gradients = _one_step(folder, spec, tmp_path)
    shape = read_shape(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    budget = estimate(shape, spec, 32, CPU)
    recipe = plan_step(shape, spec, 32, CPU)
    layers = spec.train.trainable_layers if spec.train.method == "freeze" else 2
    tensors = trained_tensors(shape, recipe, layers)
    states = optimizer_bytes(tensors, spec.train.optimizer, recipe)

    adapter = [p for n, p in trainer.model.named_parameters() if "lora_" in n]
    base = [p for n, p in trainer.model.named_parameters() if "lora_" not in n]
    phase = budget.phase("train")
    assert phase.size("base weights") == _bytes(base) + _bytes(_quant_states(trainer.model))
    assert phase.size("adapter") == _bytes(adapter)
    assert bytes_of(tensors, recipe) == gradients
    assert budget.num_trained == sum(
        p.numel() for p in trainer.model.parameters() if p.requires_grad
    )
    real_states = _bytes(_tensors(trainer.optimizer.state))
    assert states.states == real_states
    assert phase.size("optimizer") == states.states


@pytest.mark.parametrize("train", [{"method": "lora"}, {"method": "full"}, {"method": "freeze"}])
@pytest.mark.parametrize("checkpointing", [True, False])
def test_the_peak_of_a_real_run_is_predicted(
    folder: Path, tmp_path: Path, train: dict[str, Any], checkpointing: bool
) -> None:
    """TRL's own loop, fused head and all, over two optimizer steps of two micro-batches each."""
    spec = Spec.model_validate(
        {
            "model": {"path": str(folder), "dtype": "float32"},
            "data": {"path": "d"},
            "train": {
                "micro_batch": 4,
                "accumulation": 2,
                "gradient_checkpointing": checkpointing,
                **train,
            },
        }
    )
    trainer, _ = _trainer(folder, spec, tmp_path, length=512, max_steps=2)
    (reading,) = measure(trainer.train)
    shape = read_shape(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    phase = estimate(shape, spec, 512, CPU).phase("train")
    there_before = phase.size("base weights") + phase.size("adapter")
    assert phase.tensor_bytes - there_before == pytest.approx(reading.peak, rel=0.03)


def _one_step(folder: Path, spec: Spec, out: Path) -> tuple[SFTTrainer, int]:
    trainer, gradients = _trainer(folder, spec, out, length=20, max_steps=1)
    trainer.train()
    return trainer, gradients.total


def _trainer(
    folder: Path, spec: Spec, out: Path, *, length: int, max_steps: int
) -> tuple[SFTTrainer, _Gradients]:
    """The worker's model and arguments; one row is a token shorter, as real ones differ."""
    loaded = load_model(str(folder), spec, report=lambda done, total: None)
    gradients = _Gradients()
    lora = lora_arguments(spec)
    options = sft_arguments(
        spec,
        output_dir=out,
        max_length=length,
        has_eval=False,
        resuming=False,
        dtype=loaded.dtype,
        on_gpu=False,
    )
    rows = [{"input_ids": [20] * n, "labels": [20] * n} for n in (length, length - 1) * 8]
    trainer = SFTTrainer(
        model=loaded.model,
        args=SFTConfig(**{**options, "max_steps": max_steps}),
        train_dataset=Dataset.from_list(rows),
        processing_class=loaded.tokenizer,
        peft_config=LoraConfig(**lora) if lora else None,
        callbacks=[gradients],
    )
    return trainer, gradients


def _quant_states(model: Any) -> list[torch.Tensor]:
    """What bitsandbytes keeps beside packed weights: scales, codes, offsets."""
    found = []
    for module in model.modules():
        state = getattr(getattr(module, "weight", None), "quant_state", None)
        if state is not None:
            found += [state.absmax, state.code]
            if state.nested:
                found += [state.offset, state.state2.absmax, state.state2.code]
        if type(module).__name__ == "Linear8bitLt" and hasattr(module, "state"):
            found.append(module.state.SCB)
    return found


def _tensors(tree: Any) -> list[torch.Tensor]:
    if isinstance(tree, torch.Tensor):
        return [tree]
    if isinstance(tree, dict):
        return [tensor for value in tree.values() for tensor in _tensors(value)]
    return []


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the storages, each counted once however many tensors share it."""
    sizes = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(sizes.values())


@pytest.mark.parametrize("wanted", ["auto", "bfloat16", "float32"])
@pytest.mark.parametrize("method", ["lora", "qlora", "full", "freeze"])
@pytest.mark.parametrize("capability", [(7, 5), (8, 0), None])
def test_number_format_is_the_workers(
    wanted: Any, method: Any, capability: tuple[int, int] | None
) -> None:
    spec = Spec.model_validate(
        {
            "model": {"path": "m", "dtype": wanted},
            "data": {"path": "d"},
            "train": {"method": method},
        }
    )
    card = Card("x", 16.0, capability, 0.5) if capability else CPU
    on_gpu, has_bf16 = capability is not None, capability == (8, 0)
    assert pick_dtype(spec, card) == worker_rule(wanted, method, on_gpu=on_gpu, has_bf16=has_bf16)
