"""Lines: a label beside wrapped text keeps its column whatever the words are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.draw.line import BLANK, labelled, width_of, wrapped


def test_a_label_stands_before_the_first_line_only() -> None:
    told = wrapped("one two three", 7, "value")
    assert labelled("size", told, 6, "ok") == [
        (("size  ", "ok"), ("one two", "value")),
        (("      ", "ok"), ("three", "value")),
    ]
    assert labelled("size", [], 6) == []
    assert labelled("size", [BLANK], 6) == [(("size  ", "dim"),)]


@given(st.text(), st.text(), st.integers(3, 30), st.integers(8, 60))
def test_the_column_is_kept_for_every_label(label: str, text: str, column: int, room: int) -> None:
    told = wrapped(text, room)
    drawn = labelled(label, told, column)
    assert [width_of(each) - width_of(bare) for each, bare in zip(drawn, told, strict=True)] == [
        column
    ] * len(told)
    assert not any("\x1b" in run for each in drawn for run, _ in each)
