"""The split is repeatable and never puts one question on both sides."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.data.rows import Message, Row
from engine.data.split import split_rows
from engine.data.text import fold


def make_rows(questions: list[str]) -> list[Row]:
    return [
        Row((Message("user", question), Message("assistant", "x")), index, index + 1)
        for index, question in enumerate(questions)
    ]


@given(
    st.lists(st.sampled_from(["a", "A!", "b", "c", " c", "d", "e", "?", "\u00e9", "e\u0301"])),
    st.floats(0, 0.5),
    st.integers(0, 5),
    st.integers(0, 2**32 - 1),
)
def test_split_keeps_every_row_and_no_question_straddles(
    questions: list[str], fraction: float, max_rows: int, seed: int
) -> None:
    rows = make_rows(questions)
    train, held = split_rows(rows, fraction=fraction, max_rows=max_rows, seed=seed)

    assert sorted(train + held, key=lambda row: row.record) == rows
    assert [row.record for row in train] == sorted(row.record for row in train)
    asked = {fold(row.user_text) for row in train}
    assert not asked & {fold(row.user_text) for row in held}
    if len({fold(row.user_text) for row in rows}) > 1 and fraction > 0:
        assert train and held
    assert split_rows(rows, fraction=fraction, max_rows=max_rows, seed=seed) == (train, held)


def test_share_limit_and_seed() -> None:
    rows = make_rows([f"question {number}" for number in range(100)])

    train, held = split_rows(rows, fraction=0.1, max_rows=0, seed=1)
    assert (len(train), len(held)) == (90, 10)
    assert len(split_rows(rows, fraction=0.1, max_rows=4, seed=1)[1]) == 4
    assert split_rows(rows, fraction=0.0, max_rows=4, seed=1) == (rows, [])
    assert split_rows(rows, fraction=0.1, max_rows=0, seed=2)[1] != held


def test_order_in_the_file_does_not_decide() -> None:
    rows = make_rows([f"question {number}" for number in range(50)])
    held = {row.user_text for row in split_rows(rows, fraction=0.2, max_rows=0, seed=3)[1]}
    backwards = split_rows(rows[::-1], fraction=0.2, max_rows=0, seed=3)[1]
    assert {row.user_text for row in backwards} == held
