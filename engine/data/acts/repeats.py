"""Keeps the first of rows that repeat each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field

from engine.data.acts.act import Act, Options, Outcome
from engine.data.quality.signature import facts
from engine.data.rows import Row


class KeepFirstOptions(Options):
    """`near` drops rows too that nearly repeat an earlier one; all rows are held in memory then."""

    near: bool = Field(False, description="near duplicates too")


def _keep_first(rows: Iterable[Row], options: KeepFirstOptions) -> Iterator[Outcome]:
    near: dict[int, int] = {}
    if options.near:
        rows = list(rows)
        near = _near(rows)
    first: dict[tuple[int, int], int] = {}
    for row in rows:
        asked, said, _ = facts(row)
        earlier = first.setdefault((asked, said), row.record)
        if earlier != row.record:
            yield Outcome(row, None, f"repeats record {earlier}")
        elif row.record in near:
            yield Outcome(row, None, f"nearly repeats record {near[row.record]}")
        else:
            yield Outcome(row, row)


def _near(rows: list[Row]) -> dict[int, int]:
    """Record of each near duplicate -> record of the earlier row that it resembles."""
    from engine.data.quality.compared import compare_rows
    from engine.data.quality.duplicates import find_repeats

    found = find_repeats(*compare_rows(rows))
    pairs = zip(found.near.tolist(), found.of.tolist(), strict=True)
    return {rows[later].record: rows[earlier].record for later, earlier in pairs}


ACT = Act(
    "keep-first",
    "Keeps the first of equal rows (case, spaces and punctuation aside), near ones on request.",
    KeepFirstOptions,
    _keep_first,
)
