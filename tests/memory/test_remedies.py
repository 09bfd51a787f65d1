"""Remedies: the cheap ones first, each with the figure a new estimate gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.memory.cards import card_of_size
from engine.memory.estimate import estimate
from engine.memory.remedies import remedies
from engine.settings import load_spec
from engine.spec import Spec
from tests.memory.shapes import LLAMA_8B, a_spec

BASE = ("model.path=m", "data.path=d")


def _applied(sets: tuple[str, ...], spec: Spec) -> Spec:
    """The spec again, by way of --set as a user would write it."""
    mine = [f"train.{name}={value}" for name, value in _train_words(spec).items()]
    return load_spec(None, [*BASE, *mine, *sets]).spec


def _train_words(spec: Spec) -> dict[str, str]:
    default = a_spec().train
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in spec.train
        if value != getattr(default, name)
    }


@pytest.mark.parametrize("gib", [8.0, 12.0, 20.0, 24.0])
@pytest.mark.parametrize(
    "train",
    [
        {"method": "lora", "micro_batch": 8},
        {"method": "full", "micro_batch": 3},
        {"method": "qlora", "micro_batch": 4, "gradient_checkpointing": False},
        {"method": "qlora", "quantize_bits": 8, "micro_batch": 1},
    ],
)
def test_each_figure_is_what_the_changed_spec_needs(gib: float, train: dict[str, Any]) -> None:
    spec, card = a_spec(**train), card_of_size(gib)
    budget = estimate(LLAMA_8B, spec, 2048, card)
    found = remedies(LLAMA_8B, spec, budget)
    assert found
    assert len(found) <= 3
    for remedy in found:
        changed = _applied(remedy.sets, spec)
        again = estimate(LLAMA_8B, changed, changed.data.max_length or 2048, card)
        assert again.peak_gib == pytest.approx(remedy.peak_gib)
        assert again.fits == remedy.fits
        assert remedy.peak_gib < budget.peak_gib
        assert remedy.says


def test_the_effective_batch_stays() -> None:
    spec = a_spec(method="qlora", micro_batch=6, accumulation=4)
    budget = estimate(LLAMA_8B, spec, 4096, card_of_size(14.0))
    for remedy in remedies(LLAMA_8B, spec, budget):
        train = _applied(remedy.sets, spec).train
        assert train.micro_batch * train.accumulation == 24


def test_what_costs_nothing_comes_first() -> None:
    spec = a_spec(method="lora", micro_batch=8, gradient_checkpointing=False)
    budget = estimate(LLAMA_8B, spec, 2048, card_of_size(60.0))
    costs = [remedy.cost for remedy in remedies(LLAMA_8B, spec, budget)]
    assert costs[0] == "none"
    assert costs == sorted(costs, key=["none", "speed", "quality"].index)


def test_changes_are_joined_where_none_suffices_alone() -> None:
    spec = a_spec(method="lora", micro_batch=8)
    budget = estimate(LLAMA_8B, spec, 4096, card_of_size(10.0))
    best = remedies(LLAMA_8B, spec, budget)[0]
    assert best.fits
    assert " and " in best.says
    assert best.cost == "quality"


def test_a_hopeless_case_offers_no_fix_that_fits() -> None:
    spec = a_spec(method="qlora")
    budget = estimate(LLAMA_8B, spec, 1024, card_of_size(2.0))
    assert not any(remedy.fits for remedy in remedies(LLAMA_8B, spec, budget))


def test_a_set_without_loss_comes_before_a_single_change_with_it() -> None:
    spec = a_spec(method="lora", micro_batch=2, gradient_checkpointing=False)
    budget = estimate(LLAMA_8B, spec, 8192, card_of_size(24.0))
    found = remedies(LLAMA_8B, spec, budget, limit=6)
    assert next(remedy.cost for remedy in found if remedy.fits) == "speed"
    assert "train.micro_batch=1" in found[0].sets
    assert "train.gradient_checkpointing=true" in found[0].sets


def test_no_part_of_an_answer_would_do() -> None:
    spec = a_spec(method="lora", micro_batch=8, attention="eager")
    budget = estimate(LLAMA_8B, spec, 2048, card_of_size(14.0))
    for remedy in remedies(LLAMA_8B, spec, budget, limit=6):
        if not remedy.fits:
            continue
        for left_out in remedy.sets:
            rest = tuple(word for word in remedy.sets if word != left_out)
            if left_out.startswith(("train.accumulation", "train.quantize_bits", "train.alpha")):
                continue  # goes with another setting of the same change
            changed = _applied(("model.attention=eager", *rest), spec)
            again = estimate(LLAMA_8B, changed, changed.data.max_length or 2048, budget.card)
            assert not again.fits


@pytest.mark.parametrize(("method", "times"), [("lora", 3 / 2), ("full", 4 / 3)])
def test_time_of_a_step_is_counted_where_it_can_be(method: str, times: float) -> None:
    spec = a_spec(method=method, gradient_checkpointing=False)
    budget = estimate(LLAMA_8B, spec, 4096, card_of_size(500.0))
    told = remedies(LLAMA_8B, spec, budget, limit=12)
    (again,) = [one for one in told if one.says == "gradient checkpointing"]
    assert again.step_time == pytest.approx(times)
    assert "computed twice" in again.gives_up
    (rows,) = [one for one in told if one.says.startswith("micro-batch 1,")]
    assert rows.step_time is None
    assert "unmeasured" in rows.gives_up


def test_a_run_that_failed_with_room_to_spare_is_offered_the_mildest_changes() -> None:
    spec = a_spec(method="qlora", micro_batch=8)
    budget = estimate(LLAMA_8B, spec, 2048, card_of_size(79.0))
    assert budget.fits
    found = remedies(LLAMA_8B, spec, budget)
    assert found[0].says == "micro-batch 4, accumulation 16"
    assert all(one.fits and one.peak_gib < budget.peak_gib for one in found)


def test_what_others_hold_is_not_there_to_use() -> None:
    spec = a_spec(method="lora", micro_batch=8)
    card = replace(card_of_size(40.0), taken_gib=16.0)
    budget = estimate(LLAMA_8B, spec, 2048, card)
    best = remedies(LLAMA_8B, spec, budget)[0]
    assert best.fits
    assert best.peak_gib <= 24.0
