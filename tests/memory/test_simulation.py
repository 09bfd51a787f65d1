"""The simulation against real runs, and what its tracker books."""

from __future__ import annotations

import gc
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from engine.errors import TailfinError
from engine.memory.budget import TENSOR_COMPONENTS
from engine.memory.simulation import Simulation
from engine.spec import Spec
from engine.worker.simulate.answer import simulate
from engine.worker.simulate.cpu import cpu_kernels
from engine.worker.simulate.setting import setting_of
from engine.worker.simulate.trace import trace_run
from engine.worker.simulate.tracker import Tracker
from tests.memory.real_steps import CPU, Combination, real, simulated

_LONG = {"gradient_checkpointing": False}
COMBINATIONS = [
    Combination("llama", {"method": "lora", "micro_batch": 1}, length=512),
    Combination("llama", {"method": "qlora"}),
    Combination("llama", {"method": "lora", "accumulation": 2, **_LONG}),
    Combination("llama", {"method": "lora"}, packing=True),
    Combination("mistral", {"method": "full", "optimizer": "adamw_8bit"}),
    Combination("mistral", {"method": "lora", **_LONG}, tile=32768),
    Combination("qwen2", {"method": "qlora", "quantize_bits": 8, **_LONG}),
    Combination("qwen2", {"method": "freeze", "trainable_layers": 1}, dtype="float32"),
    Combination("qwen3", {"method": "lora", "dora": True, **_LONG}),
    Combination("qwen3", {"method": "qlora", "optimizer": "paged_adamw_8bit"}, attention="eager"),
    Combination("gemma2", {"method": "full", "optimizer": "adafactor", **_LONG}),
    Combination("gemma3_text", {"method": "qlora", "double_quant": False, **_LONG}),
    Combination("phi3", {"method": "lora", "dropout": 0.1, **_LONG}, attention="eager"),
    Combination("qwen3_moe", {"method": "lora", **_LONG}),
    # families that the closed form was not written with
    Combination("olmo2", {"method": "full", "accumulation": 2}),
    Combination("stablelm", {"method": "qlora", "optimizer": "lion_8bit", **_LONG}),
    Combination("gpt_neox", {"method": "lora", **_LONG}, dtype="float32"),
    pytest.param(
        Combination("gpt_neox", {"method": "full", "optimizer": "sgd"}),
        marks=pytest.mark.xfail(reason="5.3 % low, beyond the aim of 5: not explained yet"),
    ),
    Combination("starcoder2", {"method": "lora", "micro_batch": 4}),
    Combination("cohere", {"method": "lora", "optimizer": "adamw_8bit", **_LONG}),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize("combination", COMBINATIONS, ids=str)
def test_peaks_are_those_of_a_real_run(combination: Combination, folder: Path) -> None:
    """Above the weights, which are known to the byte."""
    train, evaluation = simulated(combination).errors(real(combination, folder))
    assert train == pytest.approx(0, abs=0.02)
    assert evaluation == pytest.approx(0, abs=0.03)


def test_every_block_of_the_stream_is_born_once_and_dies_once() -> None:
    combination = Combination("llama", {"accumulation": 2})
    setting = setting_of(combination.spec("m"), 64, CPU)
    trace = trace_run(combination.config, setting, kernels=cpu_kernels)
    live: dict[int, int] = {}
    highest = 0
    for block, num_bytes in trace.stream:
        if num_bytes:
            assert block not in live
            live[block] = num_bytes
        else:
            del live[block]
        highest = max(highest, sum(live.values()))
    assert highest == max(peak.total for peak in trace.peaks.values())
    assert 0 < trace.starts["train"] < trace.starts["eval"] < len(trace.stream)


def test_a_second_step_leaves_nothing_behind() -> None:
    """What lives after the run is weights, adapter and states; no activation was forgotten."""
    combination = Combination("llama")
    trace = trace_run(combination.config, setting_of(combination.spec("m"), 64, CPU))
    sizes = dict(trace.stream[: trace.starts["train"]])
    after = {}
    for block, num_bytes in trace.stream:
        after[block] = num_bytes
    left = sum(after.values())
    states = 2 * 4 * trace.num_trained
    assert left - sum(sizes.values()) == pytest.approx(states, rel=0.01)


def test_components_are_the_bytes_of_what_they_name() -> None:
    spec = Spec.model_validate(
        {
            "model": {"path": "m", "dtype": "float32"},
            "data": {"path": "d"},
            "train": {"method": "full", "gradient_checkpointing": False, "accumulation": 2},
        }
    )
    budget = simulate(Combination("llama").config, spec, 64, CPU, corrections=False).budget
    phase = budget.phase("train")
    weights = budget.num_params * 4
    assert phase.size("base weights") == pytest.approx(weights, rel=0.001)
    assert phase.size("gradients") == weights
    assert phase.size("optimizer") == pytest.approx(2 * weights, rel=0.001)
    assert phase.size("adapter") == 0
    assert budget.phase("eval").size("gradients") == 0
    assert budget.phase("save").tensor_bytes < budget.phase("eval").tensor_bytes


def test_an_answer_survives_json() -> None:
    combination = Combination("qwen3_moe", {"method": "qlora"})
    answer = simulate(combination.config, combination.spec("m"), 64, CPU, corrections=False)
    assert Simulation.from_json(answer.to_json()) == answer
    assert answer.budget.tier == "simulate"
    assert any("mixture" in said for said in answer.not_modelled)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"budget": 3}'])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Simulation.from_json(text)


@pytest.mark.parametrize(
    ("config", "train", "where"),
    [
        ({"model_type": "nobody_knows"}, {}, "model_type"),
        (Combination("llama").config, {"targets": "no_such_layer"}, "train.targets"),
        (
            Combination("llama").config,
            {"method": "freeze", "trainable_layers": 9},
            "train.trainable_layers",
        ),
    ],
)
def test_what_cannot_be_simulated_says_where(
    config: dict[str, Any], train: dict[str, Any], where: str
) -> None:
    spec = Combination("llama", train).spec("m")
    with pytest.raises(TailfinError) as caught:
        simulate(config, spec, 64, CPU)
    assert where in str(caught.value.where)
    assert caught.value.hint


def test_nothing_fake_stays_in_the_libraries() -> None:
    """A real quantisation works in a process that has simulated one."""
    import bitsandbytes.functional as bnb

    combination = Combination("llama", {"method": "qlora", "optimizer": "adamw_8bit"})
    simulate(combination.config, combination.spec("m"), 64, CPU, corrections=False)
    packed, state = bnb.quantize_4bit(torch.randn(64, 64), compress_statistics=True)
    whole = bnb.dequantize_4bit(packed, state)
    assert type(whole) is torch.Tensor
    assert not logging.getLogger("bitsandbytes.autograd._functions").disabled
    assert gc.isenabled()


def test_bytes_follow_their_purpose() -> None:
    with FakeTensorMode(), Tracker(granule=512) as tracker:
        tracker.begin("train", "first")
        kept = torch.empty(100)
        with tracker.serving("workspace"):
            scratch = torch.empty(1000)
        view = scratch.view(10, 100)
        index = {name: i for i, name in enumerate(TENSOR_COMPONENTS)}
        assert tracker.live[index["activations"]] == 512
        assert tracker.live[index["workspace"]] == 4096
        tracker.adopt([kept], "gradients")
        assert tracker.live[index["gradients"]] == 512
        del scratch
        assert tracker.live[index["workspace"]] == 4096  # the view holds it
        del view
        assert tracker.live[index["workspace"]] == 0
        assert tracker.peaks["train"].total == 4608
        assert tracker.stream == [(0, 400), (1, 4000), (1, 0)]


def test_a_simulation_is_what_it_says() -> None:
    """Equal inputs, equal answers: nothing of one simulation lives on in the next."""
    combination = Combination("gemma3_text", {"method": "qlora", "optimizer": "adamw_8bit"})
    first, second = (
        simulate(combination.config, combination.spec("m"), 96, CPU, corrections=False)
        for _ in range(2)
    )
    assert replace(first, seconds=0.0) == replace(second, seconds=0.0)


def test_an_evaluation_leaves_quantised_weights_as_they_are() -> None:
    """bitsandbytes would repack them for some CPUs; the worker forbids it."""
    combination = Combination("llama", {"method": "qlora"})
    budget = simulate(combination.config, combination.spec("m"), 64, CPU).budget
    held = {phase.name: phase.size("base weights") for phase in budget.phases}
    assert held["eval"] == held["save"] == held["train"] >= held["load"] > 0
