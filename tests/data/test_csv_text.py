"""Separated text: delimiters, quoting, ragged rows, and columns without a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.data.read import read_data
from engine.errors import TailfinError


def read(tmp_path: Path, text: str) -> list[tuple[int, str, str]]:
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode())
    return [(row.line, row.user_text, row.answer_text) for row in read_data(path).rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    text = f"prompt{delimiter}completion\nHi there{delimiter}Hello\n"
    assert read(tmp_path, text) == [(2, "Hi there", "Hello")]


def test_known_column_names_decide_between_delimiters(tmp_path: Path) -> None:
    text = "a,b;c\n1,2;3\n"
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(TailfinError, match="comma or semicolon"):
        read_data(path)
    assert read(tmp_path, "prompt;completion\na, b;c, d\n") == [(2, "a, b", "c, d")]


def test_cells_with_line_breaks_and_quotes(tmp_path: Path) -> None:
    text = 'prompt,completion\r\n"a\r\nb","say ""x"", y"\r\n\r\nc,d\r\n'
    assert read(tmp_path, text) == [(2, "a\r\nb", 'say "x", y'), (5, "c", "d")]


def test_a_written_out_index_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(",prompt,completion\n0,a,b\n")

    data = read_data(path)

    assert data.layout == "prompt_completion"
    assert [p.id for p in data.problems] == ["data.unnamed-column"]


def test_ragged_and_badly_quoted_rows_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('prompt,completion\na,b\nc,d,e\n"f"g,h\ni,j\nk,l\nm,n\no,p\nq,r\n')

    data = read_data(path)

    assert [row.line for row in data.rows] == [2, 5, 6, 7, 8, 9]
    said = {p.id: p.message for p in data.problems}
    assert "3 cells for 2 columns" in said["data.ragged"] and "line 3" in said["data.ragged"]
    assert "line 4" in said["data.bad-quotes"]


def test_an_open_quote_names_its_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("prompt,completion\na,b\nc,d\ne,f\n" + '"g,h\n' + "i,j\n" * 3)

    with pytest.raises(TailfinError, match="row at line 5 that never closes"):
        read_data(path)


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("prompt,completion,prompt\na,b,c\n")

    with pytest.raises(TailfinError, match="'prompt' more than once"):
        read_data(path)


def test_turns_printed_as_python_are_no_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("messages\n\"[{'role': 'user', 'content': 'a'}]\"\n")

    [problem] = read_data(path).problems

    assert problem.id == "data.wrong-type"
    assert "text where a list of turns belongs" in problem.message
