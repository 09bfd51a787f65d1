"""Bytes of a data file, refused where they are no data, decoded where they are text."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

from engine.data.packed import packing_of, unpacked
from engine.data.text import inert, shown
from engine.errors import TailfinError

PARQUET_MAGIC = b"PAR1"

# first bytes -> (what it is, what to do)
_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive or a spreadsheet", "Unpack it, or save the sheet as CSV."),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet or document", "Save it as CSV in UTF-8."),
    (b"%PDF", "a PDF document", "Give a file of chat rows: JSON, JSONL, CSV or Parquet."),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV."),
    (b"ARROW1", "an Arrow file", "Write it as Parquet."),
    (b"\xff\xff\xff\xff", "an Arrow stream", "Write it as Parquet."),
    (b"\x80\x04\x95", "a Python pickle", "Write it as JSONL."),
    (b"\x93NUMPY", "a NumPy array", "Write the rows as JSONL."),
)
_WIDE_BOMS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHAT_FILES = "Give a file of chat rows: JSON, JSONL, CSV or Parquet."


def load_bytes(path: str) -> bytes:
    """The whole content, unpacked where the file is compressed.

    Raises TailfinError where it is missing, unreadable, empty or no data.
    """
    try:
        _refuse_endless(path)
        with open(path, "rb") as file:
            kind = packing_of(file.read(8))
        data = b"".join(unpacked(path, kind)) if kind else Path(path).read_bytes()
    except FileNotFoundError:
        raise TailfinError(
            f"The data file {path} does not exist.", "Check the path.", where=path
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise TailfinError(
            f"The data file {shown(path, 200)} could not be read: {reason}.",
            "Check its name and permissions.",
            where=path,
        ) from None
    _refuse_foreign(data, path)
    return data


def is_parquet(data: bytes) -> bool:
    return data.startswith(PARQUET_MAGIC)


def decode(data: bytes, path: str) -> str:
    """The bytes as text; only UTF-8 is taken, a byte order mark is dropped."""
    if data.startswith(_WIDE_BOMS) or data[:4096].count(0) * 5 > len(data[:4096]):
        raise TailfinError(
            f"The data file {path} is not UTF-8 but looks like UTF-16 or binary data.",
            f"Convert it: iconv -f UTF-16 -t UTF-8 {path} > utf8{Path(path).suffix}",
            where=path,
        )
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        near = data[max(0, error.start - 20) : error.start + 12]
        around = inert(near.decode("utf-8", "backslashreplace").replace("\n", " "))
        raise TailfinError(
            f"The data file {path} is not UTF-8: byte 0x{data[error.start]:02x} at byte offset "
            f"{error.start}, line {line}, near '{around}'.",
            f"Convert it from the encoding it was saved in, often: "
            f"iconv -f WINDOWS-1252 -t UTF-8 {path} > utf8{Path(path).suffix}",
            where=f"{path}:{line}",
        ) from None


def _refuse_endless(path: str) -> None:
    """Refuse what is neither file nor folder: a pipe or device may keep its reader for ever."""
    mode = os.stat(path).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    raise TailfinError(
        f"{path} is not a regular file but {kinds.get(stat.S_IFMT(mode), 'a device')}.",
        "Name a file; save what a pipe or device gives into one first.",
        where=path,
        error_id="data.not-a-file",
    )


def _refuse_foreign(data: bytes, path: str) -> None:
    head = data[:512].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        raise TailfinError(
            f"The data file {path} is empty.",
            "Check that its download or export finished.",
            where=path,
        )
    if head.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head")):
        raise TailfinError(
            f"The data file {path} is a web page, not data.",
            "Download the raw file; on the hub its address has /resolve/ instead of /blob/.",
            where=path,
        )
    if head.startswith(b"version https://git-lfs"):
        raise TailfinError(
            f"The data file {path} is a Git LFS pointer; the data itself was never downloaded.",
            "Fetch it: git lfs install && git lfs pull",
            where=path,
        )
    for magic, name, action in _FOREIGN:
        if data.startswith(magic):
            raise TailfinError(
                f"The data file {path} is {name}, not JSON, JSONL, CSV or Parquet.",
                action.format(path=path),
                where=path,
            )


def unrecognised(path: str, first_line: str) -> TailfinError:
    """The error for text that reads as none of the containers."""
    return TailfinError(
        f"The data file {path} reads neither as JSON, JSONL, CSV nor Parquet; its first line is "
        f"{shown(first_line)}.",
        _CHAT_FILES,
        where=f"{path}:1",
    )
