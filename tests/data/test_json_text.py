"""Broken JSON is shown with line, column, a caret and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.data.read import read_data
from engine.errors import TailfinError

A = '{"prompt": "a", "completion": "b"}'
CASES: list[tuple[str, str, str]] = [
    (
        f"[{A},\n{A},\n]",
        "line 3, column 1: a trailing comma",
        "before line 3, column 1. 2 whole rows",
    ),
    (f"[{A},\n{A[:-1]},}}]", "line 2, column 35: a trailing comma", "Remove the comma"),
    (f"[{A},\n{A}", "line 2, column 35: the text ends before", "its end is missing"),
    (f"[{A},\n{A[:20]}", "line 2, column 17: a string opened here never ends", "1 whole row comes"),
    (f"[{A}\n{A}]", "line 2, column 1: expecting ',' delimiter", "Correct line 2"),
    (f"[{A}] x", "line 1, column 38: more text after the end", "one object per line"),
    ("[{'prompt': 'a'}]", "single quotes", "Correct line 1"),
    ('{"data": [\n  {"a": 1},\n]}', "line 3, column 1: a trailing comma", "Remove the comma"),
    (f"{A},\n{A},\n", "more text after the end", "Put [ before the first row"),
    ("{" + '"a":{' * 100_000, "nested too deeply", "plain object"),
    ("[" * 100_000, "nested too deeply", "plain object"),
    ("[" + "9" * 5000 + "]", "Exceeds the limit", "plain object"),
]


@pytest.mark.parametrize(("text", "said", "action"), CASES, ids=range(len(CASES)))
def test_broken_json_names_place_and_way_out(
    tmp_path: Path, text: str, said: str, action: str
) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)

    with pytest.raises(TailfinError) as caught:
        read_data(path)

    assert said in caught.value.message
    assert action in caught.value.hint


def test_the_caret_stands_under_the_fault(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[{"prompt": "a\x9b2J\u202e", "completion": oops}]', encoding="utf-8")

    with pytest.raises(TailfinError) as caught:
        read_data(path)

    _, line, caret = caught.value.message.split("\n")
    assert line[caret.index("^") :].startswith("oops")
    assert "\\x9b2J\\u202e" in line


def test_line_separators_inside_text_do_not_end_a_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a\u2028b\x85c", "completion": "d"}\r\n' * 2, encoding="utf-8")

    data = read_data(path)

    assert [row.line for row in data.rows] == [1, 2]
    assert data.rows[0].messages[0].content == "a\u2028b\x85c"


def test_blank_lines_count_as_lines_not_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"\n{A}\n\n{A}\n\n")

    assert [(row.record, row.line) for row in read_data(path).rows] == [(0, 2), (1, 4)]
