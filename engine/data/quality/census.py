"""What is counted of a part of a data set: small, and the same wherever the part was read."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.data.faults import Fault
from engine.data.quality.check import View
from engine.data.quality.signature import facts, signatures, tokens_of
from engine.data.rows import Row
from engine.data.source import Chunk, ChunkRows, Reader
from engine.data.text import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Examples kept of each check in each part; a report shows a few of the whole set.
_EXAMPLES = 5
_SAMPLED_TEXTS = 8
_OPENING = 25


@dataclass(frozen=True, slots=True)
class Example:
    """One row that a check struck: its place, and what stood there."""

    record: int
    line: int
    file: str
    turn: int
    start: int
    end: int
    seen: str


@dataclass(slots=True)
class Census:
    """Counts of some rows, in file order; arrays have one entry per usable row.

    `records` and `lines` are the places of the rows; `asked`, `said` and `numbers` digests of
    question, answer and the numbers in both, `sizes` their different words, `signatures` their
    MinHash signatures [rows, 160]; `prompt_chars` and `answer_chars` lengths in characters.
    `hits` maps a check to the rows it struck (their record numbers), `examples` to a few of them.
    """

    number: int
    num_records: int
    num_turns: int
    num_multi_turn: int
    num_pairs_equal: int
    num_chosen_longer: int
    num_pairs: int
    records: NDArray[np.int64]
    lines: NDArray[np.int64]
    asked: NDArray[np.uint64]
    said: NDArray[np.uint64]
    numbers: NDArray[np.uint64]
    sizes: NDArray[np.int16]
    signatures: NDArray[np.uint32]
    prompt_chars: NDArray[np.int32]
    answer_chars: NDArray[np.int32]
    hits: dict[str, list[int]] = field(default_factory=dict)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    openings: Counter[str] = field(default_factory=Counter)
    systems: Counter[str] = field(default_factory=Counter)
    scripts: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def count_chunk(reader: Reader, chunk: Chunk) -> Census:
    """Read a chunk, look at its rows with every check, and count them."""
    return count_rows(reader.read(chunk), chunk.number)


def count_rows(part: ChunkRows, number: int) -> Census:
    """The census of rows that were read."""
    import numpy as np

    rows = part.rows
    hits, examples = _look(rows)
    about = [facts(row) for row in rows]
    tokens = [tokens_of(row) for row in rows]
    pairs = [row for row in rows if row.rejected]
    return Census(
        number=number,
        num_records=part.num_records,
        num_turns=sum(len(row.messages) for row in rows),
        num_multi_turn=sum(
            sum(message.role == "assistant" for message in row.messages) > 1 for row in rows
        ),
        num_pairs_equal=sum(_chosen(row) == _rejected(row) for row in pairs),
        num_chosen_longer=sum(len(_chosen(row)) > len(_rejected(row)) for row in pairs),
        num_pairs=len(pairs),
        records=np.array([row.record for row in rows], dtype=np.int64),
        lines=np.array([row.line if not row.file else 0 for row in rows], dtype=np.int64),
        asked=np.array([one[0] for one in about], dtype=np.uint64),
        said=np.array([one[1] for one in about], dtype=np.uint64),
        numbers=np.array([one[2] for one in about], dtype=np.uint64),
        sizes=np.array([min(len(one), 2**15 - 1) for one in tokens], dtype=np.int16),
        signatures=signatures(tokens),
        prompt_chars=np.array([len(row.user_text) for row in rows], dtype=np.int32),
        answer_chars=np.array([len(row.answer_text) for row in rows], dtype=np.int32),
        hits=hits,
        examples=examples,
        openings=Counter(row.answer_text.lstrip()[:_OPENING] for row in rows),
        systems=Counter(m.content for row in rows for m in row.messages if m.role == "system"),
        scripts=_scripts(rows),
        faults=part.faults,
        texts=[row.answer_text[:2000] for row in rows[:: max(len(rows) // _SAMPLED_TEXTS, 1)]],
    )


def packed_ratio(texts: Sequence[str]) -> float:
    """How many times smaller texts become together: high where they are made of few patterns."""
    joined = "\n".join(texts).encode("utf-8", "replace")
    return len(joined) / max(len(zlib.compress(joined, 6)), 1)


def _look(rows: Sequence[Row]) -> tuple[dict[str, list[int]], dict[str, list[Example]]]:
    from engine.data.quality.checks import ROW_CHECKS

    hits: dict[str, list[int]] = {}
    examples: dict[str, list[Example]] = {}
    for row in rows:
        view = View(row)
        for check in ROW_CHECKS:
            hit = check.find(view)
            if hit is None:
                continue
            hits.setdefault(check.id, []).append(row.record)
            kept = examples.setdefault(check.id, [])
            if len(kept) < _EXAMPLES:
                place = (row.record, row.line, row.file)
                kept.append(Example(*place, hit.turn, hit.start, hit.end, hit.seen))
    return hits, examples


def _scripts(rows: Sequence[Row]) -> Counter[str]:
    from engine.data.quality.checks.language import script_of

    return Counter(script_of(row.answer_text) for row in rows)


def _chosen(row: Row) -> str:
    return row.messages[-1].content


def _rejected(row: Row) -> str:
    return row.rejected[-1].content


def example_of(row: Row) -> Example:
    """A row as an example, the beginning of its question as what was seen."""
    return Example(row.record, row.line, row.file, -1, 0, 0, shown(row.user_text))
