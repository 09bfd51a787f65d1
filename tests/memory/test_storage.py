"""RAM and disk per stage of a journey."""

from __future__ import annotations

from typing import Any

from engine.memory.budget import Budget
from engine.memory.cards import Card
from engine.memory.estimate import estimate
from engine.memory.model_shape import read_shape
from engine.memory.storage import Stage
from engine.spec import DataSpec, ModelSpec, Spec, TrainSpec

GPU = Card("card", 24.0, (8, 0), 0.5)
RAM = Card("RAM", 24.0, (0, 0), 0.0, is_gpu=False)
CONFIG: dict[str, Any] = {
    "model_type": "llama", "vocab_size": 32000, "hidden_size": 2048, "num_hidden_layers": 16,
    "num_attention_heads": 16, "num_key_value_heads": 8, "intermediate_size": 5632,
}  # fmt: skip


def _budget(card: Card, **train: Any) -> Budget:
    spec = Spec(
        model=ModelSpec(path="m"), data=DataSpec(path="d"), train=TrainSpec(micro_batch=1, **train)
    )
    return estimate(read_shape(CONFIG), spec, 512, card, download=3 * 2**30)


def _stages(budget: Budget) -> dict[str, Stage]:
    return {stage.name: stage for stage in budget.stages}


def test_the_disk_of_all_stages_is_the_disk_of_the_run() -> None:
    for method in ("lora", "full"):
        budget = _budget(GPU, method=method)
        assert sum(stage.disk for stage in budget.stages) == budget.storage.disk
        assert _stages(budget)["download"].disk == 3 * 2**30


def test_an_adapter_is_merged_in_ram_and_a_whole_model_is_copied() -> None:
    adapter, whole = _budget(GPU), _budget(GPU, method="full")
    assert _stages(adapter)["merge"].ram > 2 * adapter.num_params
    assert _stages(whole)["merge"].ram == whole.storage.bare_ram
    # writing a checkpoint of all weights needs them once more in RAM
    assert _stages(whole)["save"].ram - _stages(whole)["train"].ram == whole.storage.result


def test_where_the_cpu_is_the_device_its_ram_holds_the_model() -> None:
    on_cpu, on_gpu = _budget(RAM), _budget(GPU)
    more = _stages(on_cpu)["train"].ram - _stages(on_gpu)["train"].ram
    assert more == on_cpu.phase("train").tensor_bytes


def test_paged_states_lie_in_ram() -> None:
    # smaller states than 100,000 elements are never paged
    paged, plain = _budget(GPU, optimizer="paged_adamw_32bit", rank=128), _budget(GPU, rank=128)
    assert _stages(paged)["train"].ram > _stages(plain)["train"].ram
