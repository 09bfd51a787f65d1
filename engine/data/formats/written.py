"""Rows written into one file, with a count of what its layout had no place for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.data.faults import places
from engine.data.formats.containers import container_of, write_records
from engine.data.formats.layouts import CannotHold, Form, Record, hold
from engine.data.rows import Row
from engine.data.text import counted
from engine.findings import Finding

# Places kept of each kind; a finding shows three.
_PLACES = 3


@dataclass(slots=True)
class Toll:
    """What writing cost: words -> number of rows and the places of the first few.

    `refused` rows are not in the file; of those in `lost` a part is not.
    """

    refused: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    lost: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def num_refused(self) -> int:
        return sum(self.counts[reason] for reason in self.refused)

    def note(self, where: dict[str, list[tuple[int, int]]], reason: str, row: Row) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        first = where.setdefault(reason, [])
        if len(first) < _PLACES:
            first.append((row.record, 0 if row.file else row.line))

    def findings(self, layout: str, path: str) -> list[Finding]:
        """One per kind: `fail` for rows that are refused, `warn` for what others lose."""
        told = []
        for reason, first in self.refused.items():
            said = f"{counted(self.counts[reason], 'row')} {reason}, for which {layout} has no "
            message = f"{said}place, such as {places(first)}."
            fix = "Convert to messages, which holds everything, or add --skip-bad-rows."
            told.append(Finding("data.convert-refused", "fail", message, fix, path))
        for reason, first in self.lost.items():
            message = f"{counted(self.counts[reason], 'row')} {reason}, such as {places(first)}."
            fix = "Keep the source; choose another layout where that matters."
            told.append(Finding("data.convert-lost", "warn", message, fix, path))
        return told


def records_of(rows: Iterable[Row], form: Form, toll: Toll) -> Iterator[Record]:
    """Records of the rows that the form can hold; the rest is counted in `toll`."""
    for row in rows:
        try:
            held = hold(row, form)
        except CannotHold as error:
            toll.note(toll.refused, str(error), row)
            continue
        for reason in held.lost:
            toll.note(toll.lost, reason, row)
        yield held.record


def write_rows(rows: Iterable[Row], draft: Path, name: Path, form: Form, toll: Toll) -> int:
    """Write rows into `draft` in the container that `name` ends on; how many were written."""
    return write_records(draft, container_of(name), form, records_of(rows, form, toll))
