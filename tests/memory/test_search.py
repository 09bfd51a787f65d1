"""The search for the cheapest sets of changes, against trying all of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from engine.memory.changes import Change, Cost
from engine.memory.search import Choice, cheapest, cost_of


def _rung(cost: Cost, weights: Sequence[int]) -> tuple[Change, ...]:
    total, rung = 0.0, []
    for weight in weights:
        total += weight
        rung.append(Change("", {}, cost, "", total))
    return tuple(rung)


@st.composite
def ladders(draw: st.DrawFn) -> tuple[tuple[tuple[Change, ...], ...], list[list[int]]]:
    """Rungs, and by how much each level lowers the peak: more with every level."""
    rungs, savings = [], []
    for _ in range(draw(st.integers(1, 5))):
        count = draw(st.integers(1, 3))
        weights = draw(st.lists(st.integers(1, 5), min_size=count, max_size=count))
        cost: Cost = draw(st.sampled_from(["none", "speed", "quality"]))
        rungs.append(_rung(cost, weights))
        saved = draw(st.lists(st.integers(0, 40), min_size=count, max_size=count))
        savings.append([0, *itertools.accumulate(saved)])
    return tuple(rungs), savings


@given(ladders(), st.integers(1, 200), st.integers(1, 4))
def test_what_is_found_fits_is_minimal_and_nothing_is_cheaper(
    ladder: tuple[tuple[tuple[Change, ...], ...], list[list[int]]], needed: int, limit: int
) -> None:
    rungs, savings = ladder

    def fits(choice: Choice) -> bool:
        return sum(s[level] for s, level in zip(savings, choice, strict=True)) >= needed

    found = cheapest(rungs, fits, limit=limit)
    every = list(itertools.product(*(range(len(rung) + 1) for rung in rungs)))
    fitting = [choice for choice in every if fits(choice)]
    assert bool(found) == bool(fitting)
    assert len(found) <= limit
    assert found == sorted(found, key=lambda choice: cost_of(rungs, choice))
    for choice in found:
        assert fits(choice)
        for place, level in enumerate(choice):
            weaker = (*choice[:place], level - 1, *choice[place + 1 :])
            assert not level or not fits(weaker)
    if fitting:
        least = min(cost_of(rungs, choice)[:2] for choice in fitting)
        assert cost_of(rungs, found[0])[:2] == least


def test_a_set_that_is_no_prefix_of_the_ladder_is_found() -> None:
    rungs = (_rung("none", [1]), _rung("speed", [5]), _rung("speed", [2]))
    saved = (1, 10, 10)

    def fits(choice: Choice) -> bool:
        return sum(s * level for s, level in zip(saved, choice, strict=True)) >= 11

    assert cheapest(rungs, fits, limit=3) == [(1, 0, 1), (1, 1, 0), (0, 1, 1)]


def test_it_does_not_ask_for_ever() -> None:
    rungs = tuple(_rung("speed" if i % 2 else "quality", [1, 1, 1]) for i in range(9))
    asked = []

    def fits(choice: Choice) -> bool:
        asked.append(choice)
        return sum(choice) >= 14

    assert cheapest(rungs, fits, limit=1000)
    assert len(asked) < 5000
