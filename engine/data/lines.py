"""JSON Lines files of any size: gone over once, then read by ranges of bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.data.faults import Fault
from engine.data.json_text import read_line
from engine.data.rows import Record

_BLOCK = 2**22
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class LineRange:
    """Bytes [start, end) of a file: whole lines; `record` and `line` are those of the first."""

    start: int
    end: int
    record: int
    line: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over a file found.

    `shapes` are records that stand for all: for each set of filled and empty fields the first
    one, as often as it occurs. `num_records` counts lines that are not blank, broken ones too.
    """

    ranges: tuple[LineRange, ...]
    shapes: list[Record]
    num_records: int


def looks_like_lines(path: Path) -> bool:
    """True where the first line that is not blank is one whole JSON object."""
    import orjson

    with path.open("rb") as file:
        head = file.read(_BLOCK)
    first = head.removeprefix(_BOM).lstrip().split(b"\n", 1)[0]
    try:
        return first.startswith(b"{") and isinstance(orjson.loads(first), dict)
    except orjson.JSONDecodeError:
        return False


def scan_lines(path: Path, rows: int) -> Scan:
    """Go over the file once; ranges hold `rows` lines each. Memory stays at a few megabytes."""
    import orjson

    ranges: list[LineRange] = []
    first: dict[tuple[str, ...], Record] = {}
    counts: dict[tuple[str, ...], int] = {}
    number = begin_record = 0
    begin, begin_line = 0, 1
    line = offset = 0
    for whole in _lines(path):
        line += 1
        offset += len(whole)
        raw = whole if line > 1 else whole.removeprefix(_BOM)
        if not raw.strip():
            continue
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError:
            value = None  # a chunk's reader says what is wrong with it
        if isinstance(value, Mapping):
            shape = tuple(_shape(value))
            if shape not in first:
                first[shape] = Record(value, number, line)
            counts[shape] = counts.get(shape, 0) + 1
        number += 1
        if number - begin_record == rows:
            ranges.append(LineRange(begin, offset, begin_record, begin_line))
            begin, begin_record, begin_line = offset, number, line + 1
    if number > begin_record:
        ranges.append(LineRange(begin, offset, begin_record, begin_line))
    shapes = [record for shape, record in first.items() for _ in range(counts[shape])]
    return Scan(tuple(ranges), shapes, number)


def read_range(path: Path, part: LineRange) -> tuple[list[Record], list[Fault]]:
    """Records and faults of one range, as reading the whole file would give them."""
    import orjson

    with path.open("rb") as file:
        file.seek(part.start)
        data = file.read(part.end - part.start)
    records: list[Record] = []
    faults: list[Fault] = []
    number = part.record
    for line, raw in enumerate(_split(data), start=part.line):
        if not raw.strip():
            continue
        try:
            records.append(Record(orjson.loads(raw), number, line))
        except orjson.JSONDecodeError:
            # The standard library takes more (NaN, huge numbers) and says better what is wrong.
            found = read_line(raw, number, line)
            if isinstance(found, Record):
                records.append(found)
            else:
                faults.append(found)
        number += 1
    return records, faults


def _shape(value: Mapping[str, object]) -> Iterator[str]:
    """Fields with what decides a layout: filled or null, true/false or not."""
    for key, inner in value.items():
        yield key
        yield "-" if inner is None else "b" if isinstance(inner, bool) else "+"


def _split(data: bytes) -> list[bytes]:
    lines = data.removeprefix(_BOM).split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=_BLOCK) as file:
        yield from file
