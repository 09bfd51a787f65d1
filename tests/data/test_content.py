"""Files that are no data are refused with what they are and what to do."""

from __future__ import annotations

import gzip
import os
import socket
from pathlib import Path

import pytest

from engine.data.read import read_data
from engine.errors import EXIT_USAGE, TailfinError

ROW = b'{"prompt": "a", "completion": "b"}\n'
NOT_DATA: list[tuple[bytes, str, str]] = [
    (b"", "is empty", "export finished"),
    (b"\xef\xbb\xbf \n\n", "is empty", "export finished"),
    (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "is a web page", "raw file"),
    (b"\n <HTML lang=en>", "is a web page", "raw file"),
    (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
        "Git LFS pointer",
        "git lfs pull",
    ),
    (gzip.compress(b"%PDF-1.7", mtime=0), "a PDF document", "JSONL"),
    (b"PK\x03\x04rest", "zip archive or a spreadsheet", "CSV"),
    (b"%PDF-1.7\n", "a PDF document", "JSONL"),
    (ROW.decode().encode("utf-16"), "looks like UTF-16", "iconv"),
    (ROW.decode().encode("utf-16-le"), "looks like UTF-16", "iconv"),
    (b"PAR1 but no more", "Parquet file that was cut off", "Download it again"),
    (b"PAR1 nonsense PAR1", "damaged Parquet file", "again"),
    (b"Dear all,\n\nno data here, sorry.\n", "reads neither as JSON", "JSONL"),
    (b'"just a string"', "reads neither as JSON", "JSONL"),
    (b"[]", "holds no rows", "export finished"),
    (b"[1, 2, 3]", "no rows with named fields", "messages"),
    (b"prompt,completion\n", "a header and no rows", "export finished"),
]


@pytest.mark.parametrize(("content", "said", "action"), NOT_DATA)
def test_what_is_no_data_is_refused(tmp_path: Path, content: bytes, said: str, action: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)

    with pytest.raises(TailfinError) as caught:
        read_data(path)

    assert said in caught.value.message
    assert str(path) in caught.value.message
    assert action in caught.value.hint
    assert caught.value.exit_code == EXIT_USAGE


def test_wrong_encoding_names_offset_and_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"prompt,completion\na,caf\xe9\n")

    with pytest.raises(TailfinError) as caught:
        read_data(path)

    assert "byte 0xe9 at byte offset 23, line 2" in caught.value.message
    assert caught.value.where == f"{path}:2"


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(TailfinError, match="does not exist"):
        read_data(tmp_path / "none.jsonl")
    with pytest.raises(TailfinError, match="could not be read"):
        read_data("with\0nul")
    (tmp_path / "file").write_bytes(ROW)
    with pytest.raises(TailfinError, match="could not be read: Not a directory"):
        read_data(tmp_path / "file" / "rows.jsonl")


def test_pipes_and_devices_are_refused_instead_of_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "rows.jsonl"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path, kind in ((pipe, "a pipe"), (tmp_path / "socket", "a socket")):
            with pytest.raises(TailfinError, match=f"is not a regular file but {kind}"):
                read_data(path)
    with pytest.raises(TailfinError, match="is not a regular file but a device"):
        read_data("/dev/zero")
    (tmp_path / "link").symlink_to(pipe)
    with pytest.raises(TailfinError, match="link is not a regular file but a pipe"):
        read_data(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(ROW)
    path.chmod(0)

    with pytest.raises(TailfinError, match="Permission denied"):
        read_data(path)
