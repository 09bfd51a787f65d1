"""What fits a card, and which card fits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.memory.budget import Budget
from engine.memory.cards import Card, card_of_size, find_card, known_cards
from engine.memory.estimate import estimate
from engine.memory.frontier import MOST_ROWS, frontier, lengths
from engine.memory.model_shape import ModelShape
from engine.memory.which_card import smallest, which_card
from engine.spec import Spec
from tests.memory.shapes import LLAMA_8B, MIXTURE, SMALL, a_spec


def _at(shape: ModelShape, spec: Spec, rows: int, length: int, card: Card) -> Budget:
    train = spec.train.model_copy(update={"micro_batch": rows})
    return estimate(shape, spec.model_copy(update={"train": train}), length, card)


@pytest.mark.parametrize("card", ["T4", "RTX 4090", "A100 80GB"])
@pytest.mark.parametrize(
    ("shape", "spec"),
    [
        (LLAMA_8B, a_spec(method="qlora")),
        (LLAMA_8B, a_spec(method="lora", gradient_checkpointing=False)),
        (MIXTURE, a_spec(method="full", optimizer="adamw_8bit")),
        (SMALL, a_spec(method="lora", attention="eager")),
    ],
    ids=["qlora", "lora", "mixture", "eager"],
)
def test_the_largest_fits_and_one_row_more_does_not(
    shape: ModelShape, spec: Spec, card: str
) -> None:
    place = find_card(card)
    corners = frontier(shape, spec, place)
    assert [corner.length for corner in corners] == list(lengths(shape))
    for corner in corners:
        largest, roomy = corner.largest, corner.roomy
        assert roomy.rows <= largest.rows
        if largest.rows:
            budget = _at(shape, spec, largest.rows, corner.length, place)
            assert budget.fits
            assert budget.peak_gib == largest.peak_gib <= place.usable_gib
        if largest.rows < MOST_ROWS:
            assert not _at(shape, spec, max(largest.rows + 1, 2), corner.length, place).fits
        if roomy.rows:
            assert not _at(shape, spec, roomy.rows, corner.length, place).is_tight
        assert corner.least_gib == _at(shape, spec, 1, corner.length, place).peak_gib


def test_longer_rows_and_less_memory_never_allow_more_of_them() -> None:
    spec, card = a_spec(method="qlora"), find_card("RTX 4090")
    rows = [corner.largest.rows for corner in frontier(LLAMA_8B, spec, card)]
    assert rows == sorted(rows, reverse=True)
    shared = frontier(LLAMA_8B, spec, replace(card, taken_gib=8.0))
    assert all(a.largest.rows < b for a, b in zip(shared, rows, strict=True) if b)


def test_a_single_row_is_tried_where_two_are_too_many() -> None:
    spec, card = a_spec(method="qlora", micro_batch=1), card_of_size(8.1)
    rows = {corner.length: corner.largest.rows for corner in frontier(LLAMA_8B, spec, card)}
    assert 1 in rows.values()


@pytest.mark.parametrize(
    ("longest", "expected"),
    [(1000, [256, 512, 1000]), (1024, [256, 512, 1024]), (200, [200]), (0, [256, 32768])],
)
def test_lengths_end_at_the_models_maximum(longest: int, expected: list[int]) -> None:
    found = list(lengths(replace(SMALL, max_positions=longest)))
    assert found[0] == expected[0]
    assert found[-1] == expected[-1]
    assert set(expected) <= set(found)


def test_every_card_is_judged_as_if_it_were_here() -> None:
    spec = a_spec(method="qlora", micro_batch=2)
    found = which_card(LLAMA_8B, spec, 2048)
    assert [one.card for one in found] == list(known_cards())
    for one in found:
        budget = estimate(LLAMA_8B, spec, 2048, one.card)
        assert (one.verdict == "no") == (not budget.fits)
        assert (one.verdict == "tight") == budget.is_tight
        assert one.headroom_gib == pytest.approx(one.card.usable_gib - budget.peak_gib)
    least = smallest(found)
    assert least is not None
    assert least.verdict == "fits"
    roomy = [one.card.usable_gib for one in found if one.verdict == "fits"]
    assert least.card.usable_gib == min(roomy)


def test_a_kernel_that_does_not_run_rules_a_card_out() -> None:
    found = which_card(SMALL, a_spec(attention="flash_attention_2"), 512)
    for one in found:
        assert (one.verdict == "no") == bool(one.why_not) == (one.card.capability < (8, 0))


def test_a_tight_card_is_named_where_none_has_room_and_none_where_none_fits() -> None:
    spec = a_spec(method="qlora", micro_batch=2)
    need = estimate(LLAMA_8B, spec, 2048, card_of_size(80.0)).peak_gib
    tight = which_card(LLAMA_8B, spec, 2048, [card_of_size(need + 0.01), card_of_size(need - 1)])
    best = smallest(tight)
    assert best is not None
    assert best.verdict == "tight"
    assert smallest(which_card(LLAMA_8B, spec, 2048, [card_of_size(2.0)])) is None
