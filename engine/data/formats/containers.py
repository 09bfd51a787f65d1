"""Records written into JSON Lines, JSON, CSV, TSV or Parquet, also packed by gzip or zstd."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from engine.data.formats.layouts import Form, Record, dumped
from engine.errors import TailfinError

_KINDS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
_PACKINGS = {".gz": "gzip", ".zst": "zstd"}
# Rows of a Parquet row group.
_GROUP = 10_000
# layout -> its columns in order, and the kind of value each holds
_COLUMNS: dict[str, dict[str, str]] = {
    "messages": {"messages": "turns", "tools": "text"},
    "sharegpt": {"conversations": "sharegpt", "tools": "text"},
    "alpaca": {
        "instruction": "text",
        "input": "text",
        "output": "text",
        "system": "text",
        "history": "pairs",
    },
    "prompt_completion": {"prompt": "text", "completion": "text"},
    "preference": {"prompt": "text", "chosen": "text", "rejected": "text"},
    "text": {"text": "text"},
}


@dataclass(frozen=True, slots=True)
class Container:
    """What a file's name asks for: `kind` jsonl, json, csv, tsv or parquet; `packing` gzip, zstd
    or empty.
    """

    kind: str
    packing: str


def container_of(path: str | Path) -> Container:
    """The container by the ending of a name; raises TailfinError for endings nobody knows."""
    name = Path(path).name.lower()
    packing = next((kind for ending, kind in _PACKINGS.items() if name.endswith(ending)), "")
    bare = Path(name).stem if packing else name
    kind = _KINDS.get(Path(bare).suffix)
    if kind is None:
        raise TailfinError(
            f"The ending of {path} names no container.",
            f"End it on one of {', '.join(_KINDS)}, packed with {' or '.join(_PACKINGS)} added.",
            where=path,
        )
    return Container(kind, packing)


def write_records(file: Path, container: Container, form: Form, records: Iterable[Record]) -> int:
    """Write records of one form into `file` as they come; how many there were.

    The same records always give the same bytes. Raises OSError.
    """
    with ExitStack() as stack:
        raw = stack.enter_context(file.open("wb"))
        out = _packed(raw, container.packing, stack)
        if container.kind == "parquet":
            return _write_parquet(out, form, records)
        text = stack.enter_context(io.TextIOWrapper(out, encoding="utf-8", newline=""))
        if container.kind in ("csv", "tsv"):
            return _write_table(text, "\t" if container.kind == "tsv" else ",", form, records)
        return _write_json(text, records, is_array=container.kind == "json")


def _packed(raw: IO[bytes], packing: str, stack: ExitStack) -> IO[bytes]:
    if packing == "gzip":
        # Neither name nor time, so that the same rows give the same bytes.
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)
        return stack.enter_context(cast(IO[bytes], packed))
    if packing == "zstd":
        import pyarrow

        return cast(IO[bytes], stack.enter_context(pyarrow.CompressedOutputStream(raw, "zstd")))
    return raw


def _write_json(out: IO[str], records: Iterable[Record], *, is_array: bool) -> int:
    count = 0
    for record in records:
        if is_array:
            out.write(",\n" if count else "[\n")
        out.write(dumped(record))
        if not is_array:
            out.write("\n")
        count += 1
    if is_array:
        out.write("\n]\n" if count else "[]\n")
    return count


def _write_table(out: IO[str], delimiter: str, form: Form, records: Iterable[Record]) -> int:
    columns = list(_COLUMNS[form.layout])
    table = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    table.writerow(columns)
    count = 0
    for record in records:
        values = [record.get(column, "") for column in columns]
        table.writerow([one if isinstance(one, str) else dumped(one) for one in values])
        count += 1
    return count


def _write_parquet(out: IO[bytes], form: Form, records: Iterable[Record]) -> int:
    import pyarrow
    import pyarrow.parquet

    schema = _schema(form)
    count = 0
    with pyarrow.parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for batch in _batches(records):
            made = [{name: _flat(value) for name, value in one.items()} for one in batch]
            for one in made:
                if not isinstance(one.get("tools", ""), str):
                    one["tools"] = dumped(one["tools"])
            writer.write_table(pyarrow.Table.from_pylist(made, schema=schema))
            count += len(batch)
    return count


def _schema(form: Form) -> Any:
    """Arrow types of a form; they do not depend on the rows."""
    import pyarrow

    text = pyarrow.string()
    function = pyarrow.struct([("name", text), ("arguments", text)])
    call = pyarrow.struct([("type", text), ("id", text), ("function", function)])
    turn = pyarrow.struct([("role", text), ("content", text), ("tool_calls", pyarrow.list_(call))])
    kinds = {
        "text": text,
        "turns": pyarrow.list_(turn),
        "sharegpt": pyarrow.list_(pyarrow.struct([("from", text), ("value", text)])),
        "pairs": pyarrow.list_(pyarrow.list_(text)),
    }
    columns = _COLUMNS[form.layout]
    fields = [(name, kinds["turns" if form.turns else kind]) for name, kind in columns.items()]
    return pyarrow.schema(fields)


def _flat(value: object) -> object:
    """Turns whose calls have their arguments as JSON text: Arrow would merge all objects' keys."""
    if not isinstance(value, list):
        return value
    made = []
    for turn in value:
        calls = turn.get("tool_calls") if isinstance(turn, dict) else None
        if calls is None:
            made.append(turn)
            continue
        flat = json.loads(dumped(calls))
        for call in flat:
            if not isinstance(call["function"]["arguments"], str):
                call["function"]["arguments"] = dumped(call["function"]["arguments"])
        made.append({**turn, "tool_calls": flat})
    return made


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    rest = iter(records)
    while batch := list(islice(rest, _GROUP)):
        yield batch
