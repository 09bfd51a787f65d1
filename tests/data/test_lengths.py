"""The suggested length follows the rule in its docstring."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.data.lengths import advise, suggest_max_length


def test_nothing_is_cut_where_lengths_are_even() -> None:
    advice = suggest_max_length([100, 200, 300])
    assert (advice.max_length, advice.cut_rows, advice.longest, advice.p50) == (320, 0, 300, 200)


def test_a_few_outliers_do_not_set_the_length() -> None:
    advice = suggest_max_length([100] * 999 + [20_000])
    assert (advice.max_length, advice.cut_rows) == (128, 1)
    assert advice.cut_share == 0.001


def test_few_rows_are_never_cut() -> None:
    assert suggest_max_length([10] * 50 + [9000]).cut_rows == 0


def test_the_model_has_the_last_word() -> None:
    advice = suggest_max_length([5000], model_limit=1000)
    assert (advice.max_length, advice.cut_rows) == (1000, 1)


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=300))
def test_at_most_one_row_in_a_hundred_is_cut(lengths: list[int]) -> None:
    advice = suggest_max_length(lengths)
    assert advice.max_length % 64 == 0
    assert advice.cut_share <= 0.01
    assert advice.max_length < advice.longest + 64
    assert advice == advise(lengths, advice.max_length)
