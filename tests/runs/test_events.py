"""The event log's lines: what is written is what is read, and nothing breaks the reader."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.runs.events import MAX_BYTES, Body, Event, Notice, Progress, Step, decode, encode

_FLOATS = st.floats(allow_nan=True, allow_infinity=True)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def _values(kind: object) -> st.SearchStrategy[object]:
    if isinstance(kind, types.UnionType):
        return st.none() | _values(typing.get_args(kind)[0])
    if typing.get_origin(kind) is dict:
        return st.dictionaries(_TEXT, _TEXT, max_size=3)
    simple: dict[object, st.SearchStrategy[object]] = {
        int: st.integers(-(2**53), 2**53),
        float: _FLOATS,
        bool: st.booleans(),
        str: _TEXT,
    }
    return simple[kind]


def bodies() -> st.SearchStrategy[Body]:
    """Any event of any kind."""

    def one(cls: type[Body]) -> st.SearchStrategy[Body]:
        hints = typing.get_type_hints(cls)
        fields = {f.name: _values(hints[f.name]) for f in dataclasses.fields(cls)}
        return st.builds(cls, **fields)

    return st.one_of([one(cls) for cls in typing.get_args(Body)])


def _same(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    return left == right


@given(bodies(), st.integers(0, 10**9), st.integers(0, 2 * 10**9))
def test_what_is_written_is_read(body: Body, seq: int, time: int) -> None:
    if isinstance(body, Progress):  # one that is not finite is refused, by a test of its own
        numbers = (body.done, body.total, body.rate, body.eta_s)
        assume(all(map(math.isfinite, numbers)))
    line = encode(Event(seq=seq, time=float(time), body=body))
    assert line.endswith(b"\n") and line.count(b"\n") == 1 and len(line) <= MAX_BYTES
    event = decode(line)
    assert event is not None and event.seq == seq and event.time == time
    for field in dataclasses.fields(body):
        assert _same(getattr(event.body, field.name), getattr(body, field.name)), field.name


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace")))
def test_any_bytes_are_an_event_or_nothing(line: bytes) -> None:
    event = decode(line)
    assert event is None or isinstance(event, Event)


@given(st.recursive(st.none() | st.booleans() | _FLOATS | _TEXT, lambda s: st.lists(s, max_size=3)))
def test_wrong_types_are_skipped(value: object) -> None:
    record = {"v": 1, "seq": 1, "time": 1.0, "kind": "notice", "id": value, "severity": "warn"}
    record["message"] = "m"
    event = decode(json.dumps(record))
    assert (event is not None) == isinstance(value, str)


def test_a_nan_is_never_a_zero_or_a_gap() -> None:
    step = Step(
        step=1,
        epoch=0.1,
        loss=math.nan,
        grad_norm=math.inf,
        learning_rate=1e-4,
        tokens=1,
        tokens_per_s=1.0,
        elapsed_s=1.0,
    )
    line = encode(Event(0, 0.0, step))
    assert json.loads(line)["loss"] == "NaN"
    event = decode(line)
    assert event is not None and isinstance(event.body, Step)
    assert math.isnan(event.body.loss) and event.body.grad_norm == math.inf


def test_an_overlong_text_is_cut_and_says_so() -> None:
    body = Notice(id="x", severity="warn", message="字" * 50_000, fix="y" * 50_000)
    line = encode(Event(0, 0.0, body))
    event = decode(line)
    assert len(line) <= MAX_BYTES and event is not None and isinstance(event.body, Notice)
    assert event.body.message.endswith("(cut)")


def test_unknown_kinds_and_fields_of_newer_versions_are_no_error() -> None:
    assert decode('{"v":9,"seq":1,"time":1,"kind":"teleported"}') is None
    newer = '{"v":9,"seq":1,"time":1,"kind":"stage","name":"train","colour":"red"}'
    assert decode(newer) is not None


@pytest.mark.parametrize("time", ["1e18", "1e999", "-1e999", "NaN", "-1", str(2**41), "9" * 400])
def test_a_time_that_is_none_makes_no_event(time: str) -> None:
    record = '{"v":1,"seq":1,"time":%s,"kind":"stage","name":"train"}'
    assert decode(record % time) is None
    assert decode(record % 2**40) is not None


@pytest.mark.parametrize("number", ['"NaN"', '"Infinity"', '"-Infinity"', "1e999"])
@pytest.mark.parametrize("name", ["done", "total", "rate", "eta_s"])
def test_a_progress_that_is_not_finite_makes_no_event(name: str, number: str) -> None:
    fields = {"done": "1.0", "total": "2.0", "rate": "3.0", "eta_s": "4.0"}
    start = '{"v":1,"seq":1,"time":1.0,"kind":"progress","stage":"load","unit":"rows"'
    assert decode(start + "".join(f',"{k}":{v}' for k, v in fields.items()) + "}") is not None
    fields[name] = number
    assert decode(start + "".join(f',"{k}":{v}' for k, v in fields.items()) + "}") is None


@pytest.mark.parametrize("digits", ["9" * 16, "-" + "9" * 16, "9" * 400])
def test_a_count_that_is_none_makes_no_event(digits: str) -> None:
    head = '{"v":1,"time":1.0,"kind":"pruned","path":"c"'
    assert decode(f'{head},"seq":1,"step":1}}') is not None
    assert decode(f'{head},"seq":1,"step":{digits}}}') is None
    assert decode(f'{head},"seq":{digits},"step":1}}') is None
