"""The rows of a source one after the other, as often as they are wanted."""

from __future__ import annotations

from collections.abc import Iterator

from engine.data.faults import Fault
from engine.data.rows import Row
from engine.data.source import Source


def rows_of(source: Source, faults: list[Fault] | None = None) -> Iterator[Row]:
    """All usable rows in file order, a chunk of them in memory; faults are added to `faults`."""
    for chunk in source.chunks():
        part = source.read(chunk)
        if faults is not None:
            faults += part.faults
        yield from part.rows
