"""Compressed files and folders of files read as what is in them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest

from engine.data.read import read_data
from engine.errors import TailfinError

ROWS = [{"prompt": f"Question {n}?", "completion": f"Answer {n}."} for n in range(400)]
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
TSV = "prompt\tcompletion\n" + "".join(f"{r['prompt']}\t{r['completion']}\n" for r in ROWS)


def zstd(data: bytes) -> bytes:
    return bytes(pyarrow.compress(data, codec="zstd", asbytes=True))


PACKERS: list[Callable[[bytes], bytes]] = [gzip.compress, bz2.compress, lzma.compress, zstd]


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("content", [JSONL, json.dumps(ROWS).encode(), TSV.encode()])
def test_what_is_compressed_reads_as_what_is_in_it(
    tmp_path: Path, pack: Callable[[bytes], bytes], content: bytes
) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "rows.packed"
    plain.write_bytes(content)
    packed.write_bytes(pack(content))
    assert read_data(packed).rows == read_data(plain).rows
    assert len(read_data(packed).rows) == len(ROWS)


@pytest.mark.parametrize("pack", PACKERS)
def test_a_cut_archive_says_so(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "rows.jsonl.gz"
    whole = pack(JSONL)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TailfinError, match=r"archive that (was cut off|is damaged)") as caught:
        read_data(path)
    assert caught.value.error_id == "data.broken-archive" and str(path) in caught.value.message


def test_a_compressed_page_is_still_no_data(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b"<!DOCTYPE html><html><body>Sign in</body></html>"))
    with pytest.raises(TailfinError, match="web page"):
        read_data(path)


def test_files_of_a_folder_are_one_set_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(JSONL)
    (tmp_path / "a.jsonl.gz").write_bytes(
        gzip.compress(b'{"prompt": "first", "completion": "x"}\n')
    )
    (tmp_path / "README.md").write_text("not data")
    (tmp_path / ".hidden.jsonl").write_text("not data")
    data = read_data(tmp_path)
    assert [row.record for row in data.rows] == list(range(401))
    assert data.rows[0].user_text == "first" and data.rows[0].file == str(tmp_path / "a.jsonl.gz")
    assert (data.rows[400].line, data.rows[400].file) == (400, str(tmp_path / "b.jsonl"))


def test_a_fault_in_a_folder_names_its_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(JSONL)
    (tmp_path / "b.jsonl").write_bytes(JSONL + b'{"prompt": "open\n')
    (problem,) = [p for p in read_data(tmp_path).problems if p.severity == "fail"]
    assert problem.where == f"{tmp_path / 'b.jsonl'}:401"
    assert "record 800" in problem.message


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"x")
    with pytest.raises(TailfinError, match="holds no data file"):
        read_data(tmp_path)


def test_held_out_files_are_never_trained_on_by_accident(tmp_path: Path) -> None:
    for name in ("train-0.jsonl", "train-1.jsonl", "test.jsonl"):
        (tmp_path / name).write_bytes(JSONL)
    with pytest.raises(TailfinError, match=r"one to evaluate on: 'test.jsonl'") as caught:
        read_data(tmp_path)
    assert "data.eval_path=" in caught.value.hint
    (tmp_path / "test.jsonl").unlink()
    (tmp_path / "latest.jsonl").write_bytes(JSONL)
    assert len(read_data(tmp_path).rows) == 1200
