from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.cli.side_by_side import inert_text, side_by_side


@given(st.text())
def test_nothing_can_act_on_the_terminal(text: str) -> None:
    shown = inert_text(text)
    assert all(c == "\n" or c.isprintable() for c in shown)
    assert shown.count("\n") == text.count("\n")


def test_escapes_and_direction_marks_are_written_out() -> None:
    assert inert_text("a\x1b[31mb\u202ec\r\x07") == "a\\x1b[31mb\\u202ec\\r\\x07"
    assert inert_text("tab\there, wide\u3000space\nnext") == "tab here, wide space\nnext"


@given(
    st.lists(st.tuples(st.just("base"), st.text(max_size=120)), min_size=1, max_size=3),
    st.sampled_from([20, 60, 80, 120]),
)
def test_columns_never_get_wider_than_the_terminal(
    blocks: list[tuple[str, str]], width: int
) -> None:
    if width >= 60:
        assert all(cell_len(line) <= width for line in side_by_side(blocks, width).split("\n"))
    else:
        assert side_by_side(blocks, width).count("base:") >= len(blocks)


def test_wide_characters_keep_the_columns_apart() -> None:
    lines = side_by_side([("base", "数据" * 40), ("tuned", "[red]not markup[/red]")], 60).split(
        "\n"
    )
    edges = {cell_len(line.partition("|")[0]) for line in lines if "|" in line}
    assert len(edges) == 1
    assert "[red]not markup[/red]" in "\n".join(lines)


@pytest.mark.parametrize("text", ["", "  \n "])
def test_an_empty_answer_is_said(text: str) -> None:
    assert "(nothing)" in side_by_side([("base", text), ("tuned", "x")], 80)
