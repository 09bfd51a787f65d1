"""The fields a person chooses from: all of them, each with a value that is safe to draw."""

from __future__ import annotations

import datetime

from hypothesis import example, given
from hypothesis import strategies as st

from engine.data.fields import Field, list_fields
from engine.data.rows import Record

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def records(*values: object) -> list[Record]:
    return [Record(value, number, number + 1) for number, value in enumerate(values)]


def test_fields_come_in_order_with_their_first_filled_value() -> None:
    seen = records({"a": None, "b": " \n"}, [1], {"b": "x\n y", "c": 0}, {"a": [], "b": "late"})

    assert list_fields(seen) == (Field("a", "[]"), Field("b", "x y"), Field("c", "0"))


def test_values_that_only_parquet_has_are_shown_as_text() -> None:
    row = {"day": datetime.date(2024, 2, 29), "raw": {"bytes": b"\x00"}}

    assert [field.first_value for field in list_fields(records(row))] == [
        '"2024-02-29"',
        '{"bytes": "b\'\\\\x00\'"}',
    ]


def test_an_object_keyed_by_row_number_does_not_flood_the_list() -> None:
    fields = list_fields(records({str(number): number for number in range(5000)}))

    assert [field.name for field in fields] == [str(number) for number in range(1000)]


@given(st.dictionaries(st.text(st.characters(), max_size=8), VALUES, max_size=5))
@example({"\ud800": "\udfff", "b": "\udfff"})
def test_any_value_is_one_short_line_that_can_be_drawn(row: dict[str, object]) -> None:
    fields = list_fields(records(row))

    assert [field.name for field in fields] == [name for name in row if not has_half_pair(name)]
    for field in fields:
        assert len(field.first_value) <= 60
        assert field.first_value == "" or field.first_value.isprintable()


def has_half_pair(text: str) -> bool:
    return any(0xD800 <= ord(character) <= 0xDFFF for character in text)
