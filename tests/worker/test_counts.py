"""Counting rows says what tokenising them says."""

from __future__ import annotations

from typing import Literal

import pytest

from engine.worker.counts import count_rows
from engine.worker.token_checks import check_tokens
from engine.worker.tokens import render_template, tokenise_rows
from tests.worker.test_tokens import CHATML_TOKENIZER, ROWS


@pytest.mark.parametrize("loss_on", ["answers", "all"])
def test_counts_and_tokens_agree(loss_on: Literal["answers", "all"]) -> None:
    template = render_template(CHATML_TOKENIZER, "auto")
    token_rows = tokenise_rows(ROWS, CHATML_TOKENIZER, template, loss_on=loss_on)
    counts = list(count_rows(ROWS, CHATML_TOKENIZER, template, loss_on))
    assert len(counts) == len(token_rows)
    for count, row in zip(counts, token_rows, strict=True):
        for name in ("num_tokens", "num_trained", "eos_trained", "end", "num_bos", "num_merged"):
            assert getattr(count, name) == getattr(row, name), name
        for limit in range(row.num_tokens + 1):
            assert count.trained_in(1, limit) == row.trained_in(1, limit)
            assert count.trained_in(limit) == row.trained_in(limit)
    assert check_tokens(counts, 12) == check_tokens(token_rows, 12)


def test_more_rows_than_a_batch_keep_their_order() -> None:
    template = render_template(CHATML_TOKENIZER, "auto")
    many = [ROWS[n % len(ROWS)] for n in range(2500)]
    counts = list(count_rows(many, CHATML_TOKENIZER, template, "answers"))
    assert [count.record for count in counts] == [row.record for row in many]
