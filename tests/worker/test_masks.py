"""A trainer that trains other tokens than those that were marked is found out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from datasets import Dataset
from trl.data_utils import pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from engine.worker.masks import check_masks
from engine.worker.rows import as_dataset
from engine.worker.tokens import render_template, tokenise_rows
from tests.worker.test_tokens import CHATML_TOKENIZER, ROWS

TOKEN_ROWS = tokenise_rows(ROWS, CHATML_TOKENIZER, render_template(CHATML_TOKENIZER, "auto"))
LONGEST = max(row.num_tokens for row in TOKEN_ROWS)


def trainer(train: Dataset, held_out: Dataset | None = None, **collator: Any) -> SimpleNamespace:
    return SimpleNamespace(
        train_dataset=train,
        eval_dataset=held_out,
        data_collator=DataCollatorForLanguageModeling(pad_token_id=0, **collator),
    )


def everything(rows: Dataset) -> Dataset:
    return rows.map(lambda row: {"labels": row["input_ids"]})


def test_rows_as_they_were_marked_are_no_finding() -> None:
    rows = as_dataset(TOKEN_ROWS)
    assert check_masks(trainer(rows, rows), TOKEN_ROWS, TOKEN_ROWS, LONGEST) == []


def test_packed_rows_are_no_finding() -> None:
    packed = pack_dataset(as_dataset(TOKEN_ROWS), 4 * LONGEST)
    found = check_masks(trainer(packed, padding_free=True), TOKEN_ROWS, [], 4 * LONGEST)
    assert found == []


@pytest.mark.parametrize("side", ["training", "evaluation"])
def test_a_mask_that_was_changed_fails(side: str) -> None:
    rows = as_dataset(TOKEN_ROWS)
    sides = (everything(rows), rows) if side == "training" else (rows, everything(rows))
    [finding] = check_masks(trainer(*sides), TOKEN_ROWS, TOKEN_ROWS, LONGEST)
    assert (finding.id, finding.severity) == ("data.masks-differ", "fail")
    assert side in finding.message


def test_labels_that_got_lost_fail() -> None:
    rows = as_dataset(TOKEN_ROWS).remove_columns("labels")
    assert check_masks(trainer(rows), TOKEN_ROWS, [], LONGEST)


def test_a_collator_that_marks_otherwise_fails() -> None:
    class MarksAll(DataCollatorForLanguageModeling):
        def __call__(self, rows: Any, *args: Any, **kwargs: Any) -> Any:
            batch = super().__call__(rows, *args, **kwargs)
            return {**batch, "labels": batch["input_ids"].clone()}

    held = trainer(as_dataset(TOKEN_ROWS))
    held.data_collator = MarksAll(pad_token_id=0)
    [finding] = check_masks(held, TOKEN_ROWS, [], LONGEST)
    assert "batches" in finding.message
