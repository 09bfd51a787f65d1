"""The fields a file has, each with one value, for a person who says which plays which part."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.data.rows import Record
from engine.data.text import inert, is_encodable

# An object keyed by row number has as many "columns" as rows; nobody maps those by hand.
_MAX_FIELDS = 1000
_MAX_CHARS = 60


@dataclass(frozen=True, slots=True)
class Field:
    """A column or top-level key.

    `first_value` is its first filled value on one line, cut at 60 characters and harmless to
    print; empty where all values are.
    """

    name: str
    first_value: str


def list_fields(records: Iterable[Record]) -> tuple[Field, ...]:
    """Fields of all records in order of appearance, at most 1000.

    A name with half a surrogate pair is left out: no spec file could say it.
    """
    values: dict[str, str] = {}
    for record in records:
        if not isinstance(record.value, Mapping):
            continue
        for key, value in record.value.items():
            name = str(key)
            if values.get(name) or (name not in values and len(values) >= _MAX_FIELDS):
                continue
            values[name] = _shown(value)
    return tuple(Field(name, value) for name, value in values.items() if is_encodable(name))


def _shown(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else _as_json(value)
    # Cut before and after: what is not shown need not be cleaned, and an escape is longer.
    cleaned = inert(" ".join(text[: 4 * _MAX_CHARS].split()))
    is_cut = len(cleaned) > _MAX_CHARS or len(text) > 4 * _MAX_CHARS
    return cleaned[: _MAX_CHARS - 3] + "..." if is_cut else cleaned


def _as_json(value: object) -> str:
    """The value as JSON; text for the types that only Parquet has (dates, bytes)."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return type(value).__name__  # nested to the very limit; not worth more words
