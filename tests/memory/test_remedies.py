"""Remedies: the cheap ones first, each with the figure a new estimate gives."""

from __future__ import annotations

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
