"""Rows as token ids with labels: the assistant's words are trained, nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.data.rows import Row
from engine.errors import TailfinError
from engine.worker.encode import Encoded, encode_rows
from engine.worker.template import Template, render_template

__all__ = ["Template", "TokenRow", "render_template", "tokenise_rows"]

IGNORED = -100
# Rows that one process of several is given at a time.
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One row as tokens, not cut yet.

    `labels` are the ids where trained and -100 elsewhere; `num_trained` counts them, `num_answer`
    counts the tokens of answers; `eos_trained` tells whether the last answer's end token is
    trained, `end` is the index of the first end token that is (-1: not known); `num_bos` counts
    begin tokens in front (more than one is a fault); `num_merged` counts answers whose first token
    also holds prompt text, `num_dropped` turns whose text the template left out.
    `record` and `line` as in Row.
    """

    input_ids: list[int]
    labels: list[int]
    num_trained: int
    num_answer: int
    eos_trained: bool
    record: int
    line: int
    num_bos: int = 0
    num_merged: int = 0
    end: int = -1
    num_dropped: int = 0

    @property
    def num_tokens(self) -> int:
        return len(self.input_ids)

    def trained_in(self, start: int, stop: int | None = None) -> int:
        """Trained tokens at the positions [start, stop)."""
        labels = self.labels[start:stop]
        return len(labels) - labels.count(IGNORED)


def tokenise_rows(
    rows: Sequence[Row],
    tokenizer: Any,
    template: Template,
    *,
    loss_on: Literal["answers", "all"] = "answers",
    num_proc: int = 0,
) -> list[TokenRow]:
    """Render and tokenise rows, in order and uncut; every answer and its end token is trained.

    `num_proc` above 1 uses so many processes. Raises TailfinError naming the row and the template
    where its answers cannot be told from its prompts, or where the template refuses it.
    """
    if num_proc > 1 and len(rows) > _BATCH:
        batches = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
        return _in_processes(batches, tokenizer, template, loss_on, min(num_proc, len(batches)))
    return [_labelled(one, loss_on) for one in encode_rows(rows, tokenizer, template, loss_on)]


def _labelled(encoded: Encoded, loss_on: str) -> TokenRow:
    ids = encoded.encoding.ids
    labels = [IGNORED] * len(ids)
    for first, behind in encoded.answers:
        labels[first:behind] = ids[first:behind]
    num_answer = len(labels) - labels.count(IGNORED)
    if loss_on == "all":
        labels = list(ids)
    return TokenRow(
        input_ids=ids,
        labels=labels,
        num_trained=len(ids) if loss_on == "all" else num_answer,
        num_answer=num_answer,
        eos_trained=bool(encoded.ends) and encoded.ends[-1] >= 0,
        record=encoded.row.record,
        line=encoded.row.line,
        num_bos=encoded.num_bos,
        num_merged=encoded.num_merged,
        num_dropped=encoded.num_dropped,
        end=next((end for end in encoded.ends if end >= 0), -1),
    )


_worker: dict[str, Any] = {}


def _in_processes(
    batches: Sequence[Sequence[Row]],
    tokenizer: Any,
    template: Template,
    loss_on: str,
    num_proc: int,
) -> list[TokenRow]:
    """Batches spread over fresh processes: a forked one could inherit a tokenizer's held locks."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(
        num_proc,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_process,
        initargs=(tokenizer, template, loss_on),
    ) as pool:
        done: list[TokenRow] = []
        for result in pool.map(_tokenise_in_process, batches):
            if isinstance(result, _Failure):
                raise TailfinError(
                    result.message, result.hint, where=result.where, error_id=result.error_id
                )
            done += result
        return done


@dataclass(frozen=True, slots=True)
class _Failure:
    """A TailfinError on its way between processes."""

    message: str
    hint: str
    where: str
    error_id: str


def _start_process(tokenizer: Any, template: Template, loss_on: str) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _worker.update(tokenizer=tokenizer, template=template, loss_on=loss_on)


def _tokenise_in_process(batch: Sequence[Row]) -> list[TokenRow] | _Failure:
    try:
        return tokenise_rows(
            batch, _worker["tokenizer"], _worker["template"], loss_on=_worker["loss_on"]
        )
    except TailfinError as error:
        return _Failure(error.message, error.hint, error.where, error.error_id)
