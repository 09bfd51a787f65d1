"""Compressed data files, unpacked block by block: gzip, zstd, bzip2 and xz."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO, cast

from engine.errors import TailfinError

_BLOCK = 2**16


def packing_of(head: bytes) -> str:
    """`gzip`, `zstd`, `bzip2` or `xz` by a file's first bytes; empty for anything else."""
    return next((name for name, (magic, _) in _KINDS.items() if head.startswith(magic)), "")


def unpacked(path: str, kind: str) -> Iterator[bytes]:
    """The content in blocks of at most 64 KiB; raises TailfinError where the archive is damaged.

    What could be read before the damage has been given out by then.
    """
    done = 0
    try:
        with _KINDS[kind][1](path) as file:
            while block := file.read(_BLOCK):
                done += len(block)
                yield block
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the disk's trouble, not the archive's
        cut = isinstance(error, EOFError) or "ended" in str(error) or "truncated" in str(error)
        what = "was cut off" if cut else "is damaged"
        raise TailfinError(
            f"The data file {path} is a {kind} archive that {what}; {done:,} bytes of its content "
            "could be read.",
            f"Download it again, or keep its whole rows: tailfin data salvage {path} OUT.jsonl",
            where=path,
            error_id="data.broken-archive",
        ) from None


def _gzip(path: str) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(path))


def _zstd(path: str) -> IO[bytes]:
    try:
        import pyarrow
    except ImportError as error:
        raise TailfinError(
            f"The data file {path} is a zstd archive, and pyarrow could not be imported: {error}.",
            "Install it: pip install pyarrow",
            where=path,
        ) from None
    return cast(IO[bytes], pyarrow.input_stream(path, compression="zstd"))


_KINDS: dict[str, tuple[bytes, Callable[[str], IO[bytes]]]] = {
    "gzip": (b"\x1f\x8b", _gzip),
    "zstd": (b"\x28\xb5\x2f\xfd", _zstd),
    "bzip2": (b"BZh", bz2.BZ2File),
    "xz": (b"\xfd7zXZ", lzma.LZMAFile),
}
