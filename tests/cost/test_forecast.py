"""Time before the start: from operations and the data sheet, or from a run that was measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bundled import bundled
from engine.cost.forecast import Amount, forecast, tokens_of
from engine.cost.rates import rate_of, step_operations
from engine.memory.cards import find_card, known_cards
from engine.spec import DataSpec, ModelSpec, Spec, TrainSpec
from tests.memory.shapes import LLAMA_8B, MIXTURE
from tests.process import answer, tailfin

A100 = find_card("A100 80GB")


def _spec(**train: object) -> Spec:
    settings = {"gradient_checkpointing": False} | train
    return Spec(
        model=ModelSpec(path="m"), data=DataSpec(path="d"), train=TrainSpec.model_validate(settings)
    )


def test_operations_per_token_are_the_textbooks() -> None:
    """Six per weight and token for full training, four where the base is frozen (Kaplan et al.)."""
    weights = LLAMA_8B.params - LLAMA_8B.embedding_params
    full, lora = (step_operations(LLAMA_8B, _spec(method=m), 1) for m in ("full", "lora"))
    assert full == pytest.approx(6 * weights, rel=0.001)
    assert lora == pytest.approx(4 * weights, rel=0.001)
    again = step_operations(LLAMA_8B, _spec(gradient_checkpointing=True), 1)
    assert 1.4 < again / lora < 1.5


def test_of_a_mixture_only_the_chosen_experts_work() -> None:
    experts = MIXTURE.kinds[0].experts
    assert experts is not None and experts.top_k < experts.count
    assert step_operations(MIXTURE, _spec(), 1) < 4 * (MIXTURE.params - MIXTURE.embedding_params)


@given(st.integers(1, 10**7), st.integers(1, 10**5), st.floats(0.1, 10))
def test_twice_the_tokens_take_twice_the_time(tokens: int, rows: int, epochs: float) -> None:
    spec = _spec(epochs=epochs)
    once = forecast(LLAMA_8B, spec, 512, A100, Amount(tokens, rows))
    twice = forecast(LLAMA_8B, spec, 512, A100, Amount(2 * tokens, rows))
    assert once is not None and twice is not None and once.least_s < once.most_s
    assert twice.least_s == pytest.approx(2 * once.least_s)
    assert "unmeasured" in once.basis


def test_steps_that_were_asked_for_count_instead_of_epochs() -> None:
    spec = _spec(max_steps=10, micro_batch=2, accumulation=4)
    assert tokens_of(spec, Amount(1000, 100)) == 800


def test_nothing_is_forecast_of_what_nobody_knows() -> None:
    ram = type(A100)("RAM", 64.0, (0, 0), 0.0, is_gpu=False)
    unknown = find_card("RTX 4070")
    assert unknown.tflops == 0
    for card in (ram, unknown):
        assert rate_of(LLAMA_8B, _spec(), 512, card) is None
        assert forecast(LLAMA_8B, _spec(), 512, card, Amount(1000, 10)) is None
    assert forecast(LLAMA_8B, _spec(), 512, A100, Amount(0, 10)) is None


def test_newer_cards_of_a_kind_are_faster() -> None:
    rates = {card.name: card.tflops for card in known_cards()}
    assert rates["T4"] < rates["L4"] < rates["A100 80GB"] < rates["H100 80GB"] < rates["B200"]
    assert rates["RTX 3090"] < rates["RTX 4090"] < rates["RTX 5090"]


def test_the_budget_tells_time_and_money(tmp_path: Path) -> None:
    """Of the sample's counted rows, on a card; without a price there is no money."""
    words = ["budget", "--model", str(bundled("samples") / "model"), "--card", "L4", "--json"]
    data = ["--data", str(bundled("samples") / "good.jsonl")]
    priced = {"TAILFIN_PRICE_PER_HOUR": "0.72"}
    told = answer(tailfin(*words, *data, cwd=tmp_path, env=priced))["data"]
    time, money = told["time"], told["money"]
    assert 0 < time["least_s"] < time["most_s"] and "data sheet of L4" in time["basis"]
    assert money["most"] == pytest.approx(time["most_s"] * 0.72 / 3600)
    least, most = money["per_million_tokens"]
    assert least == pytest.approx(0.72 / 3600 * 1e6 / time["tokens_per_s"]["high"]) and least < most
    plain = answer(tailfin(*words, "--max-length", "256", cwd=tmp_path))["data"]
    assert plain["money"] is None and plain["time"]["least_s"] is None
    assert plain["time"]["tokens_per_s"]["low"] > 0
