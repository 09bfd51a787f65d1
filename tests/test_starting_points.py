"""The table of starting points: every row is what would be suggested today."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.memory.cards import find_card
from engine.memory.estimate import estimate
from engine.profiles import profile_names
from engine.settings import layer
from engine.starting_points import (
    CARDS,
    METHODS,
    Model,
    StartingPoint,
    kept_points,
    known_models,
    models_of_size,
    starting_point,
)
from engine.suggest import suggest, suggested_layer

ROOT = Path(__file__).parents[1]
MODELS = {model.name: model for model in known_models()}
AGAIN = "make starting-points writes the table anew"


def _fresh(kept: StartingPoint) -> StartingPoint:
    return starting_point(MODELS[kept.model], find_card(kept.card), kept.method)


@pytest.mark.parametrize("kept", kept_points()[::17], ids=lambda p: f"{p.model}-{p.card}")
def test_a_row_is_what_is_suggested_now(kept: StartingPoint) -> None:
    assert _fresh(kept) == kept, AGAIN


@pytest.mark.slow
def test_every_row_is_what_is_suggested_now() -> None:
    assert [_fresh(kept) for kept in kept_points()] == list(kept_points()), AGAIN


def test_every_model_card_and_method_has_one_row() -> None:
    rows = [(point.model, point.card, point.method) for point in kept_points()]
    wanted = [(model, card, method) for model in MODELS for card in CARDS for method in METHODS]
    assert sorted(rows) == sorted(wanted)
    assert not any(point.measured for point in kept_points())


@pytest.mark.parametrize("name", ["Qwen2.5-1.5B", "Llama-3.1-8B"])
@pytest.mark.parametrize("card", ["T4", "A100 40GB"])
def test_who_only_presses_enter_gets_the_suggested_row(name: str, card: str) -> None:
    (row,) = [p for p in kept_points() if (p.model, p.card, p.suggested) == (name, card, True)]
    shape = MODELS[name].shape
    needed: dict[str, object] = {"model": {"path": "m"}, "data": {"path": "d"}}
    plain = layer([("you", needed)]).spec
    found = suggested_layer(suggest(plain, shape, row.length, find_card(card)))
    spec = layer([("you", needed), ("suggested", found)]).spec
    assert spec.train.method == row.method
    assert spec.train.micro_batch == row.micro_batch
    assert spec.train.accumulation == row.accumulation
    assert spec.train.gradient_checkpointing == row.gradient_checkpointing
    budget = estimate(shape, spec, row.length, find_card(card))
    assert budget.peak_gib == pytest.approx(row.peak_gib, abs=0.01)


@pytest.mark.parametrize("model", known_models(), ids=lambda model: model.name)
def test_sizes_lead_to_the_published_parameters(model: Model) -> None:
    assert model.shape.params / 1e9 == pytest.approx(model.published_b, rel=0.01)


def test_a_size_finds_models_near_it_and_a_name_finds_one() -> None:
    assert {model.name for model in models_of_size("7B")} == {"Qwen2.5-7B", "Mistral-7B-v0.3"}
    assert [model.name for model in models_of_size("llama-3.1-8b")] == ["Llama-3.1-8B"]
    for unknown in ("7", "5000B", "", "b", "many"):
        with pytest.raises(TailfinError, match="size"):
            models_of_size(unknown)


def test_the_tables_are_no_profiles() -> None:
    assert not {"cards", "models", "starting_points"} & set(profile_names())


@pytest.mark.parametrize("card", ["A100-40GB", "RTX PRO 6000 Blackwell"])
def test_the_command_answers_from_the_table_or_anew(card: str) -> None:
    words = ["profiles", "--card", card, "--model-size", "1.5B"]
    done = subprocess.run(
        [sys.executable, "-m", "engine", *words, "--json"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    rows = json.loads(done.stdout)["data"]["starting_points"]
    assert [row["method"] for row in rows] == list(METHODS)
    assert {row["card"] for row in rows} == {find_card(card).name}
    text = subprocess.run(
        [sys.executable, "-m", "engine", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    ).stdout
    assert "No row was measured" in text
    assert f"{rows[0]['peak_gib']:.2f}" in text
