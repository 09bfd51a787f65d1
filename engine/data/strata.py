"""The kind of each row by which a split keeps shares: a field of the file, length or script."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.data.lines import read_range
from engine.data.rows import Record
from engine.data.source import Source
from engine.data.text import shown
from engine.errors import TailfinError

# More values than this share of the rows are names, not kinds.
_MOST_VALUES = 0.5


def length_strata(num_chars: Sequence[int]) -> list[str]:
    """The quarter of all lengths that each falls into, from `1` (shortest) to `4`."""
    ordered = sorted(num_chars)
    bounds = [ordered[len(ordered) * part // 4] for part in (1, 2, 3)] if ordered else []
    return [str(bisect.bisect_right(bounds, length) + 1) for length in num_chars]


def field_strata(source: Source, field: str, records: Sequence[int]) -> list[str]:
    """The value of a field in each of the named records, as text; empty where it is missing.

    Raises TailfinError where no record has the field, and where its values are nearly all
    different.
    """
    values: dict[int, str] = {}
    for chunk in source.chunks():
        found: Sequence[Record] = chunk.records
        if chunk.lines is not None:
            found, _ = read_range(Path(source.path), chunk.lines)
        for record in found:
            if isinstance(record.value, Mapping) and field in record.value:
                values[record.record] = str(record.value[field])
    strata = [values.get(record, "") for record in records]
    if not values:
        raise TailfinError(
            f"No row of {source.path} has the field {shown(field)}.",
            "Name a field of the file, or length or script.",
            where="--stratify",
        )
    if len(set(strata)) > max(_MOST_VALUES * len(strata), 2):
        raise TailfinError(
            f"The field {shown(field)} has {len(set(strata)):,} values in {len(strata):,} rows, so "
            "it tells rows apart and no kinds of them.",
            "Name a field with few values, or length or script.",
            where="--stratify",
        )
    return strata
