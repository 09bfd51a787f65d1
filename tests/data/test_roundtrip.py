"""Any rows written in any container and layout read back equal; no bytes at all crash."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.data.read import read_data
from engine.data.rows import Message
from engine.errors import TailfinError

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: bool(text.strip())
)
Turns = tuple[Message, ...]


@st.composite
def conversations(draw: st.DrawFn, multi: bool = True) -> Turns:
    messages = [Message("system", draw(texts))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3)) if multi else 1):
        messages += [Message("user", draw(texts)), Message("assistant", draw(texts))]
    return tuple(messages)


def as_messages(turns: Turns) -> dict[str, object]:
    return {"messages": [turn.as_dict() for turn in turns]}


def as_sharegpt(turns: Turns) -> dict[str, object]:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    return {"conversations": [{"from": names[t.role], "value": t.content} for t in turns]}


def as_alpaca(turns: Turns) -> dict[str, object]:
    system = turns[0].content if turns[0].role == "system" else ""
    said = [t.content for t in turns if t.role != "system"]
    pairs = [said[i : i + 2] for i in range(0, len(said) - 2, 2)]
    return {
        "instruction": said[-2],
        "input": "",
        "output": said[-1],
        "system": system,
        "history": pairs,
    }


def as_turns(turns: Turns) -> dict[str, object]:
    dicts = [turn.as_dict() for turn in turns]
    return {"prompt": dicts[:-1], "completion": dicts[-1:]}


def write(rows: list[dict[str, object]], container: str, indent: int | None) -> bytes:
    if container == "json":
        return json.dumps(rows, indent=indent, ensure_ascii=bool(indent)).encode()
    if container == "wrapped":
        return json.dumps({"info": [], "rows": rows, "n": 1}, indent=indent).encode()
    if container == "jsonl":
        return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    if container == "parquet":
        import pyarrow as pa
        import pyarrow.parquet

        sink = io.BytesIO()
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue()
    out = io.StringIO(newline="")
    table = csv.writer(out, quoting=csv.QUOTE_ALL)
    table.writerow(rows[0])
    for row in rows:
        table.writerow(v if isinstance(v, str) else json.dumps(v) for v in row.values())
    return out.getvalue().encode()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(conversations(), min_size=1, max_size=4),
    st.sampled_from([as_messages, as_sharegpt, as_alpaca, as_turns]),
    st.sampled_from(["json", "wrapped", "jsonl", "csv", "parquet"]),
    st.sampled_from([None, 0, 2]),
)
def test_rows_read_back_equal(
    rows: list[Turns], layout: object, container: str, indent: int | None
) -> None:
    assert callable(layout)
    content = write([layout(row) for row in rows], container, indent)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        path.write_bytes(content)
        data = read_data(path)

    assert [row.messages for row in data.rows] == rows
    assert data.num_records == len(rows)
    assert not any(problem.severity == "fail" for problem in data.problems)


fragments = st.sampled_from(
    [
        *(
            '{"prompt":',
            '"a"',
            ",",
            '"completion":',
            "}",
            "[",
            "]",
            "\n",
            "null",
            '"messages"',
            ":",
        ),
        *('{"role":"user","content":"x"}', "\ufeff", "\x00", '"', "\\", "prompt,completion"),
        *("1e999", "PAR1", "{}", "NaN", "\t", ";", "\r\n", '"\\ud800"', "-"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.lists(fragments, max_size=30).map(lambda parts: "".join(parts).encode()),
    )
)
@example(b"PAR1PAR1")
@example(b'{"a":1}\n' * 3 + b"\xff")
@example(b'{"messages": {"a": 1}}')
@example(b'{"conversations": 7}')
@example(b'{"data": [{}]}')
@example(b"[{}]")
def test_no_bytes_raise_anything_but_a_tailfin_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(content)
        for layout in ("auto", "messages", "columns"):
            try:
                data = read_data(path, layout=layout)
            except TailfinError as error:
                assert error.message and error.hint
            else:
                assert len(data.rows) <= data.num_records
