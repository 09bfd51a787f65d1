"""A source reads the same rows in chunks, in any process, as reading the whole file gives."""

from __future__ import annotations

import json
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data import source
from engine.data.faults import Fault
from engine.data.read import parse_file, read_data, read_rows
from engine.data.rows import Row
from engine.data.source import Source, open_source
from engine.errors import TailfinError

ROW = {"prompt": "a", "completion": "b"}
TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
LINES = st.one_of(
    st.builds(lambda p, c: json.dumps({"prompt": p, "completion": c}), TEXT, TEXT),
    st.builds(lambda p: json.dumps({"prompt": p, "completion": None}, ensure_ascii=False), TEXT),
    st.sampled_from(["", "  ", "{", '{"prompt": "x",}', "[1]", '{"prompt": NaN}', "null", '"t"']),
)


@pytest.fixture(autouse=True)
def everything_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "STREAMED_BYTES", -1)
    monkeypatch.setattr(source, "CHUNK_ROWS", 3)


def _all(opened: Source) -> tuple[list[Row], list[Fault]]:
    parts = [opened.read(chunk) for chunk in opened.chunks()]
    faults = sorted((f for part in parts for f in part.faults), key=lambda fault: fault.record)
    assert sum(part.num_records for part in parts) == opened.num_records
    return [row for part in parts for row in part.rows], faults


@given(lines=st.lists(LINES, max_size=12), bom=st.booleans(), end=st.booleans())
def test_chunks_hold_what_the_whole_file_holds(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], bom: bool, end: bool
) -> None:
    path = tmp_path_factory.mktemp("source") / "rows.jsonl"
    # more whole rows than others, so that the file counts as JSON Lines by both ways
    text = "\n".join([*[json.dumps(ROW)] * (len(lines) + 1), *lines]) + "\n" * end
    path.write_bytes(b"\xef\xbb\xbf" * bom + text.encode())
    whole = read_data(path)
    opened = open_source(path)
    rows, _ = _all(opened)
    assert rows == list(whole.rows)
    assert (opened.num_records, opened.layout) == (whole.num_records, whole.layout)


def test_a_broken_line_says_what_reading_the_whole_file_says(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{json.dumps(ROW)}\n{{"prompt": "x",}}\n{json.dumps(ROW)}\n')
    _, faults = _all(open_source(path))
    assert faults == parse_file(path).faults


def test_bytes_of_another_encoding_are_a_fault_of_their_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(json.dumps(ROW).encode() + b'\n{"prompt": "caf\xe9", "completion": "b"}\n')
    rows, (fault,) = _all(open_source(path))
    assert len(rows) == 1
    assert fault.detail == "line 2: byte 0xe9 at column 16 is not UTF-8"


@pytest.mark.parametrize("name", ["rows.json", "rows.csv"])
def test_other_containers_come_in_chunks_too(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    rows = [{**ROW, "prompt": f"q {n}"} for n in range(10)]
    table = "prompt,completion\n" + "".join(f"{r['prompt']},b\n" for r in rows)
    path.write_text(json.dumps(rows) if name.endswith("json") else table)
    opened = open_source(path)
    assert len(list(opened.chunks())) == 4
    assert _all(opened)[0] == list(read_data(path).rows)


def test_chunks_are_read_in_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({**ROW, "prompt": f"q {n}"}) + "\n" for n in range(20)))
    opened = open_source(path)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(opened.reader.read, opened.chunks()))
    assert [row for part in parts for row in part.rows] == list(read_data(path).rows)


def test_mixed_and_unknown_rows_are_refused_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(ROW)}\n{json.dumps({'instruction': 'a', 'output': 'b'})}\n" * 5)
    with pytest.raises(TailfinError, match="mixes layouts") as caught:
        open_source(path)
    with pytest.raises(TailfinError) as whole:
        read_rows(parse_file(path))
    assert caught.value.message == whole.value.message


def test_a_large_file_is_never_held_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    line = json.dumps({**ROW, "completion": "b" * 2000}) + "\n"
    path.write_text(line * 10_000)
    tracemalloc.start()
    opened = open_source(path)
    for chunk in opened.chunks():
        opened.read(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size / 2
