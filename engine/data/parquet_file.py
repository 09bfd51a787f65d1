"""Parquet bytes, read into records."""

from __future__ import annotations

from engine.data.rows import Record
from engine.data.text import inert
from engine.errors import TailfinError


def read_parquet(data: bytes, path: str) -> list[Record]:
    """All rows as records without lines; raises TailfinError where the file is damaged."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise TailfinError(
            f"The data file {path} is Parquet, and pyarrow could not be imported: {error}.",
            "Install it: pip install pyarrow",
            where=path,
        ) from None
    if not data.endswith(b"PAR1"):
        raise TailfinError(
            f"The data file {path} is a Parquet file that was cut off: its end is missing.",
            "Download it again.",
            where=path,
            error_id="data.broken-parquet",
        )
    try:
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(data))
        values: list[dict[str, object]] = table.to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        raise TailfinError(
            f"The data file {path} is a damaged Parquet file: {_first_line(error)}.",
            "Download or export it again.",
            where=path,
            error_id="data.broken-parquet",
        ) from None
    return [
        Record({k: v for k, v in value.items() if not k.startswith("__index_level_")}, index, 0)
        for index, value in enumerate(values)
    ]


def _first_line(error: Exception) -> str:
    return inert((str(error).splitlines() or [type(error).__name__])[0].rstrip("."))
