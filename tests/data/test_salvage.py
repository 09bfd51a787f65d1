"""Broken files give back their whole rows, and say of the rest where it was and why."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cli.main import main
from engine.data.read import read_data
from engine.data.salvage import Lost, salvage

ROWS = [{"prompt": f"q {n}", "completion": "a, {b} [c] \u00e9"} for n in range(30)]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def _split(path: Path) -> tuple[list[dict[str, object]], list[Lost]]:
    pieces = list(salvage(str(path)))
    rows = [piece for piece in pieces if not isinstance(piece, Lost)]
    return rows, [piece for piece in pieces if isinstance(piece, Lost)]


@given(cut=st.integers(1, len(json.dumps(ROWS, indent=1))), indent=st.sampled_from([None, 1]))
def test_an_array_that_was_cut_off_keeps_what_is_whole(
    tmp_path_factory: pytest.TempPathFactory, cut: int, indent: int | None
) -> None:
    path = tmp_path_factory.mktemp("salvage") / "rows.json"
    text = json.dumps(ROWS, indent=indent)[:cut]
    path.write_text(text)
    rows, lost = _split(path)
    whole = text.count('"completion": "a, {b} [c] \\u00e9"') if indent is None else None
    assert rows == ROWS[: len(rows)]
    if whole is not None:
        assert whole - 1 <= len(rows) <= whole
    assert len(lost) <= 1


def test_broken_lines_are_set_aside_with_line_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = JSONL.encode().split(b"\n")
    lines[3] = lines[3][:-5]
    lines[7] = b'{"prompt": "caf\xe9", "completion": "x"}'
    lines[9] = b'{"prompt": "tab\there", "completion": "x"}'
    path.write_bytes(b"\n".join(lines))
    rows, lost = _split(path)
    assert len(rows) == 28 and rows[7]["prompt"] == "tab\there"
    assert [piece.line for piece in lost] == [4, 8]
    assert path.read_bytes()[lost[1].byte] == 0xE9 and "not UTF-8" in lost[1].reason


def test_one_broken_element_costs_one_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    text = json.dumps(ROWS, indent=None).replace('"q 4"', '"q 4', 1)
    path.write_text(text)
    rows, lost = _split(path)
    assert [row["prompt"] for row in rows if row in ROWS][-1] == "q 29"
    assert len([row for row in rows if row in ROWS]) >= 28 and lost


def test_a_cut_archive_gives_what_comes_before(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    rows = [{"prompt": f"q {n}", "completion": str(hash((n, "x")))} for n in range(20_000)]
    packed = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())
    path.write_bytes(packed[: len(packed) // 2])
    found, lost = _split(path)
    assert found == rows[: len(found)] and len(found) > 5000
    assert "archive that was cut off" in lost[-1].reason


def test_the_command_writes_rows_that_can_be_read_and_the_rest_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "rows.json", tmp_path / "out.jsonl"
    path.write_text(json.dumps(ROWS)[:-20])
    assert main(["data", "salvage", str(path), str(out)]) == 0
    assert "1 pieces could not be read" in capsys.readouterr().out
    assert len(read_data(out).rows) == 29
    (lost,) = (json.loads(line) for line in Path(f"{out}.lost").read_text().splitlines())
    assert lost["line"] == 1 and lost["text"].startswith('{"prompt": "q 29"')
    assert main(["data", "salvage", str(path), str(out)]) == 2
    assert main(["data", "salvage", str(path), str(path), "--force"]) == 2
    assert path.read_text() == json.dumps(ROWS)[:-20]
