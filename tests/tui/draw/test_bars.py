"""Bars: exact width, no part lost, what is too much is seen without colour."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.draw.bars import bar, part_letter, share_bar

ANY = st.floats(allow_nan=True, allow_infinity=True)
PARTS = st.lists(st.tuples(st.sampled_from(["part-1", "part-2", "part-3"]), ANY), max_size=7)


@given(parts=PARTS, total=ANY, width=st.integers(-1, 90), ascii_only=st.booleans())
def test_a_bar_has_exactly_the_width(
    parts: list[tuple[str, float]], total: float, width: int, ascii_only: bool
) -> None:
    runs = bar(parts, total, width, ascii_only)
    text = "".join(text for text, _ in runs)
    assert cell_len(text) == max(width, 0)
    assert text.isascii() or not ascii_only
    assert {role for _, role in runs} <= {"", "over", *(role for role, _ in parts)}


AMOUNTS = st.lists(st.floats(0, 1e6), min_size=1, max_size=6)


@given(amounts=AMOUNTS, total=st.floats(1e-3, 1e6), width=st.integers(20, 90))
def test_parts_overflow_and_room_are_seen(amounts: list[float], total: float, width: int) -> None:
    parts = list(zip("abcdef", amounts, strict=False))
    cells = {role: len(text) for text, role in bar(parts, total, width)}
    is_over = sum(amounts) > total
    assert (cells.get("over", 0) > 0) == is_over
    if cells.get("over", 0) < width - 6:
        assert cells.keys() - {"", "over"} == {role for role, amount in parts if amount > 0}
    if sum(amounts) < total / 2:
        assert cells.get("", 0) > 0
    if is_over:
        assert "" not in cells


def test_cells_are_in_proportion() -> None:
    runs = bar([("weights", 10.0), ("optimizer", 5.0), ("none", 0.0), ("bit", 0.01)], 20.0, 40)
    assert [(len(text), role) for text, role in runs] == [
        (20, "weights"),
        (10, "optimizer"),
        (1, "bit"),
        (9, ""),
    ]


def test_what_is_too_much_is_to_the_same_scale() -> None:
    runs = bar([("weights", 20.0), ("activations", 20.0)], 30.0, 40, ascii_only=True)
    assert runs == [("A" * 20, "weights"), ("B" * 10, "activations"), ("!" * 10, "over")]
    assert part_letter(1) == "B"


def test_a_part_wholly_past_the_limit_still_has_a_cell() -> None:
    runs = bar([("weights", 30.0), ("activations", 5.0)], 30.0, 35)
    assert [(len(text), role) for text, role in runs] == [
        (29, "weights"),
        (1, "activations"),
        (5, "over"),
    ]


def test_a_full_whole_leaves_no_free_cell() -> None:
    for width, cells in ((19, [6, 6, 7]), (20, [6, 7, 7])):
        runs = bar([(name, 1.0) for name in "abc"], 3.0, width)
        assert sorted(len(text) for text, _ in runs) == cells


def test_without_room_everything_is_too_much() -> None:
    assert bar([("weights", 1.0)], 0.0, 5) == [("!!!!!", "over")]
    assert bar([], 0.0, 3, ascii_only=True) == [("...", "")]


@given(share=ANY, width=st.integers(-1, 60), ascii_only=st.booleans())
@example(share=0.5, width=0, ascii_only=False)
def test_a_share_has_exactly_the_width(share: float, width: int, ascii_only: bool) -> None:
    text = share_bar(share, width, ascii_only)
    assert cell_len(text) == max(width, 0)
    assert text.isascii() or not ascii_only


@pytest.mark.parametrize(
    ("share", "text", "in_ascii"),
    [
        (0.0, "⠤⠤⠤⠤", "...."),
        (0.001, "⡀⠤⠤⠤", "#..."),
        (0.5, "⣿⣿⠤⠤", "##.."),
        (0.6, "⣿⣿⡆⠤", "##.."),
        (0.999, "⣿⣿⣿⣷", "###."),
        (1.0, "⣿⣿⣿⣿", "####"),
        (1.7, "⣿⣿⣿⣿", "####"),
        (math.nan, "    ", "    "),
    ],
)
def test_known_shares(share: float, text: str, in_ascii: str) -> None:
    assert share_bar(share, 4) == text
    assert share_bar(share, 4, True) == in_ascii
