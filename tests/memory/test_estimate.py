"""What must hold for any estimate: sums, order, and that more never needs less."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import TailfinError
from engine.memory.budget import COMPONENTS, GIB, Budget
from engine.memory.cards import find_card
from engine.memory.estimate import estimate
from engine.memory.model_shape import ModelShape
from engine.memory.plan import plan_step, resolve_targets
from engine.spec import Spec
from tests.memory.shapes import LLAMA_8B, MIXTURE, SMALL, a_spec

A100 = find_card("A100 80GB")
T4 = find_card("T4")
_METHODS = st.sampled_from(["lora", "qlora", "full", "freeze"])
_TRAIN = st.fixed_dictionaries(
    {
        "method": _METHODS,
        "quantize_bits": st.sampled_from([4, 8]),
        "double_quant": st.booleans(),
        "rank": st.integers(1, 128),
        "dropout": st.sampled_from([0.0, 0.1]),
        "optimizer": st.sampled_from(
            ["adamw", "adamw_8bit", "paged_adamw_8bit", "lion_8bit", "adafactor", "sgd"]
        ),
        "micro_batch": st.integers(2, 16),
        "accumulation": st.integers(1, 4),
        "gradient_checkpointing": st.booleans(),
    }
)
_ATTENTION = st.sampled_from(["auto", "eager", "sdpa", "flash_attention_2"])


def _peak(shape: ModelShape, spec: Spec, length: int) -> int:
    return estimate(shape, spec, length, A100).peak.process_bytes


@given(_TRAIN, _ATTENTION, st.integers(16, 4096), st.sampled_from([SMALL, MIXTURE]))
@settings(max_examples=150)
def test_components_add_up_and_tiers_are_in_order(
    train: dict[str, Any], attention: str, length: int, shape: ModelShape
) -> None:
    budget = estimate(shape, a_spec(attention=attention, **train), length, A100)
    assert [phase.name for phase in budget.phases] == ["load", "train", "eval", "save"]
    for phase in budget.phases:
        assert len(phase.sizes) == len(COMPONENTS)
        assert min(phase.sizes) >= 0
        assert sum(phase.components_gib().values()) * GIB == pytest.approx(phase.total_bytes)
        assert phase.tensor_bytes <= phase.reserved_bytes <= phase.process_bytes
        assert phase.process_bytes <= phase.total_bytes
    assert budget.peak_gib == max(p.process_bytes for p in budget.phases) / GIB


@given(_TRAIN, _ATTENTION, st.integers(16, 2048), st.integers(1, 512))
@settings(max_examples=100)
def test_longer_rows_never_need_less(
    train: dict[str, Any], attention: str, length: int, more: int
) -> None:
    spec = a_spec(attention=attention, **train)
    assert _peak(SMALL, spec, length) <= _peak(SMALL, spec, length + more)


@given(_TRAIN, _ATTENTION, st.integers(16, 2048))
@settings(max_examples=100)
def test_more_rows_never_need_less(train: dict[str, Any], attention: str, length: int) -> None:
    spec = a_spec(attention=attention, **train)
    more = a_spec(attention=attention, **{**train, "micro_batch": train["micro_batch"] + 1})
    assert _peak(SMALL, spec, length) <= _peak(SMALL, more, length)


@given(_TRAIN, st.integers(16, 2048), st.integers(1, 64))
@settings(max_examples=100)
def test_a_higher_rank_never_needs_less(train: dict[str, Any], length: int, more: int) -> None:
    # bitsandbytes stores states of 4,096 elements in 8 bits and pages those of 100,000, smaller
    # ones not: with these a higher rank can need less
    if "8bit" in train["optimizer"]:
        train = {**train, "optimizer": "adamw"}
    spec = a_spec(**train)
    higher = a_spec(**{**train, "rank": train["rank"] + more})
    assert _peak(SMALL, spec, length) <= _peak(SMALL, higher, length)


@given(_TRAIN, st.integers(16, 2048))
@settings(max_examples=50)
def test_checkpointing_and_double_quantisation_never_cost_memory(
    train: dict[str, Any], length: int
) -> None:
    for field in ("gradient_checkpointing", "double_quant"):
        with_it = _peak(LLAMA_8B, a_spec(**{**train, field: True}), length)
        without = _peak(LLAMA_8B, a_spec(**{**train, field: False}), length)
        # one layer is recomputed beside the gradient of its output, and the lowest one passes a
        # gradient on that nothing asks for without recomputation
        waiting = train["micro_batch"] * length * LLAMA_8B.hidden * 2
        assert with_it <= without + 4 * waiting


def test_an_8b_model_lands_where_everybody_knows_it_does() -> None:
    """16 GB of bf16, 5 to 6 GiB of nf4, and at least 8 bytes per weight in full training."""
    lora = estimate(LLAMA_8B, a_spec(method="lora"), 2048, A100)
    qlora = estimate(LLAMA_8B, a_spec(method="qlora"), 2048, A100)
    full = estimate(LLAMA_8B, a_spec(method="full"), 2048, A100)
    assert lora.phase("train").size("base weights") == pytest.approx(8.03e9 * 2, rel=0.001)
    assert qlora.phase("train").size("base weights") / GIB == pytest.approx(5.3, abs=0.1)
    assert 16 < lora.peak_gib < 24
    assert 6 < qlora.peak_gib < 12
    assert full.peak_gib > 8.03e9 * 8 / GIB


def test_phases_hold_what_is_there_then() -> None:
    budget = estimate(SMALL, a_spec(method="qlora"), 512, A100)
    load, train, evaluation, save = budget.phases
    assert load.size("optimizer") == load.size("gradients") == 0
    assert load.size("workspace") >= SMALL.vocab * SMALL.hidden * 2  # the largest tensor in full
    assert train.size("gradients") > 0
    assert evaluation.size("gradients") == save.size("gradients") == 0
    assert evaluation.size("optimizer") == train.size("optimizer") > 0
    assert save.size("activations") == 0


def test_accumulation_keeps_gradients_through_the_whole_step() -> None:
    once = estimate(SMALL, a_spec(method="full", accumulation=1), 512, A100)
    often = estimate(SMALL, a_spec(method="full", accumulation=8), 512, A100)
    assert once.phase("train").tensor_bytes < often.phase("train").tensor_bytes


def test_frozen_layers_cost_no_gradient_and_no_activations() -> None:
    few = estimate(LLAMA_8B, a_spec(method="freeze", trainable_layers=1), 2048, A100)
    more = estimate(LLAMA_8B, a_spec(method="freeze", trainable_layers=8), 2048, A100)
    layer = LLAMA_8B.kinds[0].params
    assert few.num_trained == layer
    assert more.num_trained == 8 * layer
    assert few.peak_gib < more.peak_gib
    with pytest.raises(TailfinError, match="32 layers"):
        estimate(LLAMA_8B, a_spec(method="freeze", trainable_layers=33), 2048, A100)


def test_packing_joins_the_batch_into_one_row() -> None:
    recipe = plan_step(SMALL, a_spec(micro_batch=4, packing=True), 256, A100)
    assert (recipe.rows, recipe.length) == (1, 1024)
    assert recipe.scores == 1024 * 1024


@pytest.mark.parametrize(
    ("attention", "card", "micro_batch", "kernel"),
    [
        ("auto", A100, 1, "flash"),
        ("auto", A100, 2, "efficient"),  # rows of different length need a mask
        ("eager", A100, 1, "eager"),
        ("flash_attention_2", A100, 4, "flash"),
        ("auto", T4, 1, "math"),  # no flash before Ampere, no grouped heads in the other kernel
        ("auto", T4, 2, "efficient"),
    ],
)
def test_attention_kernel(attention: str, card: Any, micro_batch: int, kernel: str) -> None:
    spec = a_spec(attention=attention, micro_batch=micro_batch)
    assert plan_step(SMALL, spec, 128, card).kernel == kernel


def test_targets_of_a_mixture_reach_its_experts() -> None:
    everything = resolve_targets(MIXTURE, "all-linear")
    assert everything.linears == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert everything.experts == {"router", "gate_up", "down"}
    attention = resolve_targets(MIXTURE, "q_proj, model.v_proj")
    assert attention.linears == {"q_proj", "v_proj"}
    assert not attention.experts


def test_unknown_targets_are_refused() -> None:
    with pytest.raises(TailfinError, match="qproj") as caught:
        resolve_targets(SMALL, "qproj")
    assert "q_proj" in caught.value.hint


@pytest.mark.parametrize(
    ("train", "attention", "finding"),
    [
        ({"dropout": 0.1}, "auto", "budget.expert-adapter"),
        ({"method": "full"}, "auto", "budget.experts"),
        ({"optimizer": "paged_adamw_8bit"}, "auto", "budget.paged"),
        ({"micro_batch": 2}, "auto", "budget.mask"),
    ],
)
def test_assumptions_are_said(train: dict[str, Any], attention: str, finding: str) -> None:
    budget: Budget = estimate(MIXTURE, a_spec(attention=attention, **train), 128, A100)
    assert finding in {found.id for found in budget.findings}


def test_flash_attention_is_refused_where_it_cannot_run() -> None:
    budget = estimate(SMALL, a_spec(attention="flash_attention_2"), 128, T4)
    assert {f.severity for f in budget.findings if f.id == "budget.flash"} == {"fail"}


def test_the_estimate_needs_no_torch() -> None:
    import subprocess

    code = (
        "import sys; from tests.memory.shapes import SMALL, a_spec;"
        "from engine.memory.cards import find_card; from engine.memory.estimate import estimate;"
        "from engine.memory.remedies import remedies;"
        "b = estimate(SMALL, a_spec(), 64, find_card('T4')); remedies(SMALL, a_spec(), b);"
        "bad = {'torch', 'transformers', 'peft', 'trl', 'bitsandbytes', 'datasets'};"
        "print(sorted(bad & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
