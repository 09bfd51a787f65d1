"""The quality report of a data set: every part counted, what was found said in findings."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.data.faults import group_faults
from engine.data.quality.census import Census
from engine.data.quality.duplicates import Compared, Repeats, find_repeats, overlapping
from engine.data.quality.pipeline import Progress, count_source
from engine.data.quality.told import Tally, check_findings, leak_findings, set_findings
from engine.data.rows import Row
from engine.data.source import Source
from engine.data.spread import Spread, spread
from engine.findings import Finding, worst_first

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NUM_SAMPLED = 3


@dataclass(frozen=True, slots=True)
class Quality:
    """What is said of a data set without a tokenizer.

    `num_duplicates` counts rows that repeat an earlier one, `num_contradictions` questions with
    different answers; `prompt_chars` and `answer_chars` are None without rows; `sample` are a few
    rows, picked by a fixed seed, for a person to read. `tallies` are the findings with their
    counts, shares and examples; `findings` the same for a screen, and the faults of rows.
    """

    num_rows: int
    num_turns: int
    num_multi_turn: int
    num_system_prompts: int
    num_duplicates: int
    num_contradictions: int
    prompt_chars: Spread | None
    answer_chars: Spread | None
    sample: tuple[Row, ...]
    tallies: tuple[Tally, ...]
    findings: tuple[Finding, ...]


def report_quality(
    source: Source, progress: Progress, *, held_out: Source | None = None, processes: int = 0
) -> Quality:
    """Look at every row of a source, in as many processes as there are cores.

    `held_out` are rows to evaluate on: those that training would have seen are told.
    """
    parts = count_source(source, progress, processes=processes)
    repeats = _repeats(parts)
    num_rows = sum(len(part.records) for part in parts)
    tallies = [
        *check_findings(parts, num_rows),
        *set_findings(parts, repeats, num_rows),
    ]
    if held_out is not None:
        theirs = count_source(held_out, progress, processes=processes)
        same, near = overlapping(_compared(parts), _compared(theirs))
        tallies += leak_findings(theirs, same, near)
    faults = [fault for part in parts for fault in part.faults]
    systems = sum((part.systems for part in parts), Counter())
    return Quality(
        num_rows=num_rows,
        num_turns=sum(part.num_turns for part in parts),
        num_multi_turn=sum(part.num_multi_turn for part in parts),
        num_system_prompts=len(systems),
        num_duplicates=len(repeats.exact),
        num_contradictions=repeats.num_questions,
        prompt_chars=spread(_joined(parts, "prompt_chars").tolist()),
        answer_chars=spread(_joined(parts, "answer_chars").tolist()),
        sample=_sampled(source, parts),
        tallies=tuple(tallies),
        findings=tuple(
            worst_first(
                [
                    *group_faults(faults, source.path),
                    *source.notes,
                    *(tally.finding(source.path) for tally in tallies),
                ]
            )
        ),
    )


def _repeats(parts: Sequence[Census]) -> Repeats:
    return find_repeats(
        *(_joined(parts, name) for name in ("asked", "said", "numbers", "sizes", "signatures"))
    )


def _compared(parts: Sequence[Census]) -> Compared:
    return (
        _joined(parts, "asked"),
        _joined(parts, "numbers"),
        _joined(parts, "sizes"),
        _joined(parts, "signatures"),
    )


def _joined(parts: Sequence[Census], name: str) -> NDArray[np.generic]:
    import numpy as np

    return np.concatenate([getattr(part, name) for part in parts])


def _sampled(source: Source, parts: Sequence[Census]) -> tuple[Row, ...]:
    """A few rows to read, picked by a fixed seed, read again from their chunks."""
    places = [(part.number, index) for part in parts for index in range(len(part.records))]
    chosen = sorted(random.Random(0).sample(places, min(_NUM_SAMPLED, len(places))))
    wanted = {number for number, _ in chosen}
    rows = {c.number: source.read(c).rows for c in source.chunks() if c.number in wanted}
    return tuple(rows[number][index] for number, index in chosen)
