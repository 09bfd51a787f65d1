"""Rows counted in tokens without keeping the tokens, so that a large file fits in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.data.rows import Row
from engine.worker.encode import encode_rows
from engine.worker.template import Template


@dataclass(frozen=True, slots=True)
class RowCount:
    """Tokens of one row, not cut: `trained` are the positions [first, behind) that are trained.

    The other fields are those of engine.worker.tokens.TokenRow.
    """

    num_tokens: int
    trained: tuple[tuple[int, int], ...]
    eos_trained: bool
    record: int
    line: int
    num_bos: int
    num_merged: int
    end: int
    num_dropped: int = 0

    @property
    def num_trained(self) -> int:
        return self.trained_in(0)

    def trained_in(self, start: int, stop: int | None = None) -> int:
        """Trained tokens at the positions [start, stop)."""
        stop = self.num_tokens if stop is None else stop
        return sum(max(0, min(b, stop) - max(a, start)) for a, b in self.trained)


def count_rows(
    rows: Iterable[Row], tokenizer: Any, template: Template, loss_on: str
) -> Iterator[RowCount]:
    """Count rows in order; raises what engine.worker.encode.encode_rows does."""
    for one in encode_rows(rows, tokenizer, template, loss_on):
        num_tokens = len(one.encoding)
        yield RowCount(
            num_tokens=num_tokens,
            trained=((0, num_tokens),) if loss_on == "all" else one.answers,
            eos_trained=bool(one.ends) and one.ends[-1] >= 0,
            record=one.row.record,
            line=one.row.line,
            num_bos=one.num_bos,
            num_merged=one.num_merged,
            num_dropped=one.num_dropped,
            end=next((end for end in one.ends if end >= 0), -1),
        )
