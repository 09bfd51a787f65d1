"""How long rows are taken to be, and that no assumption is more than the model can do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.bundled import bundled
from engine.memory.budget import Budget
from engine.memory.cards import Card
from engine.memory.model_config import read_config
from engine.memory.model_shape import read_shape
from tests.tui.gallery.files import SUPPORT, TOKENS
from tui.draft import Draft, demo_draft
from tui.panes.prediction import memory_of, row_length, suggestions_for

RAM = Card("RAM", 16.0, (0, 0), 0.0, is_gpu=False, taken_gib=4.0)


def draft_of(positions: int) -> Draft:
    """The embedded model and data on a machine without a GPU, with so many positions."""
    shape = read_shape(read_config(str(bundled("samples") / "model")).config)
    return replace(demo_draft(), card=RAM, shape=replace(shape, max_positions=positions))


@pytest.mark.parametrize(("positions", "length"), [(0, 1024), (512, 512), (40960, 1024)])
def test_rows_nobody_counted_are_never_longer_than_the_model_can_read(
    positions: int, length: int
) -> None:
    draft = draft_of(positions)
    need = memory_of(draft, draft.resolve().spec)
    assert row_length(draft) == (length, False)
    assert isinstance(need, Budget)
    assert need.length == length
    assert "budget.beyond-positions" not in {finding.id for finding in need.findings}


def test_a_count_asks_for_no_more_than_the_model_can_read() -> None:
    assert TOKENS.suggested == 1024
    draft = replace(draft_of(512), inspection=replace(SUPPORT, tokens=TOKENS))
    made = suggestions_for(draft, draft.resolve().spec)
    spec = replace(draft, suggestions=made).resolve().spec
    need = memory_of(draft, spec)
    assert spec.data.max_length == 512
    assert isinstance(need, Budget)
    assert "budget.beyond-positions" not in {finding.id for finding in need.findings}


def test_a_length_that_a_person_chose_is_kept_and_warned_of() -> None:
    draft = draft_of(512).choose("data.max_length", 2048)
    need = memory_of(draft, draft.resolve().spec)
    assert isinstance(need, Budget)
    assert "budget.beyond-positions" in {finding.id for finding in need.findings}
