"""Rows as the arrays in which they are compared with each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.data.quality.signature import digest, facts, signatures, tokens_of
from engine.data.rows import Row
from engine.data.text import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    # (asked, said, numbers, sizes, signatures) of rows, as in engine.data.quality.census.Census.
    RowArrays: TypeAlias = tuple[
        NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]
    ]

_BATCH = 2000


def compare_rows(rows: Iterable[Row], *, system: bool = True) -> RowArrays:
    """The digests and signatures of rows, in their order; about 700 bytes each are held.

    Without `system` a question is the same whatever system prompt stands before it.
    """
    import numpy as np

    asked: list[int] = []
    said: list[int] = []
    numbers: list[int] = []
    sizes: list[int] = []
    parts = [signatures([])]
    for batch in _batches(rows):
        for row in batch:
            question, answer, figures = facts(row)
            asked.append(question if system else digest(fold(row.user_text)))
            said.append(answer)
            numbers.append(figures)
        tokens = [tokens_of(row) for row in batch]
        sizes += [min(len(one), 2**15 - 1) for one in tokens]
        parts.append(signatures(tokens))
    return (
        np.array(asked, dtype=np.uint64),
        np.array(said, dtype=np.uint64),
        np.array(numbers, dtype=np.uint64),
        np.array(sizes, dtype=np.int16),
        np.concatenate(parts),
    )


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while batch := list(islice(rest, _BATCH)):
        yield batch
