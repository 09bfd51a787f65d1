"""Single values of a record: text where text belongs, or the fault that says what stood there."""

from __future__ import annotations

import json
from collections.abc import Mapping

from engine.data.faults import RowFault
from engine.data.text import is_encodable, shown

_JSON_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "true/false"),
    (int, "a number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "an object"),
)


def present(value: Mapping[str, object], key: str, prefix: str = "") -> object:
    """The value under a key; a missing key is a fault of the row, null is a value."""
    if key not in value:
        raise RowFault("missing-field", f"{prefix}{key}")
    return value[key]


def text_of(value: object, field: str) -> str:
    """The value where it is text; raises RowFault."""
    if value is None:
        raise RowFault("null-content", field)
    if not isinstance(value, str):
        raise RowFault("wrong-type", field, f"{type_name(value)}, {shown(str(value))}")
    if not is_encodable(value):
        raise RowFault("broken-text", field, shown(value))
    return value


def optional_text(value: Mapping[str, object], field: str) -> str:
    """The text under a field that may be missing or null."""
    inner = value.get(field) if field else None
    return "" if inner is None else text_of(inner, field)


def parse_cell(value: object) -> object:
    """A list that a table stores as JSON text, parsed; anything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def type_name(value: object) -> str:
    """What a person calls the type of a JSON value."""
    if value is None:
        return "null"
    return next((name for kind, name in _JSON_TYPES if isinstance(value, kind)), "a value")
