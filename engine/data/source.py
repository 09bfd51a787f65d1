"""A data set of any size, read chunk by chunk, in this process or in others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.data.conversation import read_messages
from engine.data.faults import Fault, RowFault
from engine.data.layout import Layout, decide_layout
from engine.data.lines import LineRange, looks_like_lines, read_range, scan_lines
from engine.data.read import ParsedFile, notes_of, parse_file, plain_text_refused, unpack_turns
from engine.data.rows import Container, Record, Row
from engine.findings import Finding

CHUNK_ROWS = 2000
# JSON Lines files above this are never held in memory as a whole; others are.
STREAMED_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a source that can be read by itself: a range of lines, or parsed records."""

    number: int
    lines: LineRange | None = None
    records: tuple[Record, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkRows:
    """Usable rows of a chunk, and the faults of those left out or remarked on."""

    rows: list[Row]
    faults: list[Fault]
    num_records: int


@dataclass(frozen=True, slots=True)
class Reader:
    """What turns chunks into rows; small enough to be sent to another process."""

    path: str
    layout: Layout
    system: str

    def read(self, chunk: Chunk) -> ChunkRows:
        """The rows of a chunk; needs nothing but the file."""
        records: Sequence[Record] = chunk.records
        faults = list(chunk.faults)
        if chunk.lines is not None:
            records, faults = read_range(Path(self.path), chunk.lines)
        count = len(records) + len(faults)
        rows: list[Row] = []
        for record in records:
            at = (record.record, record.line, record.file)
            try:
                said = read_messages(record.value, self.layout, self.system)
            except RowFault as fault:
                faults.append(Fault(fault.kind, fault.field, fault.detail, *at))
                continue
            row = Row(
                said.messages, record.record, record.line, said.rejected, said.tools, record.file
            )
            rows.append(row)
            faults += [Fault(kind, field, "", *at) for kind, field in said.remarks]
        return ChunkRows(rows, faults, count)


class Source:
    """A data set whose container and layout are decided.

    `notes` are findings about the set as a whole; `num_records` counts the rows that cannot be used
    too.
    """

    def __init__(
        self,
        reader: Reader,
        container: Container,
        notes: Sequence[Finding],
        held: ParsedFile | Sequence[LineRange],
        num_records: int,
    ) -> None:
        self.reader = reader
        self.container = container
        self.notes = tuple(notes)
        self.num_records = num_records
        self._held = held

    @property
    def path(self) -> str:
        return self.reader.path

    @property
    def layout(self) -> str:
        return self.reader.layout.name

    def chunks(self) -> Iterator[Chunk]:
        """All chunks in file order, about 2,000 rows each."""
        if not isinstance(self._held, ParsedFile):
            for number, lines in enumerate(self._held):
                yield Chunk(number, lines)
            return
        records, faults = self._held.records, self._held.faults
        if not records:
            yield Chunk(0, None, (), tuple(faults))
        for number, start in enumerate(range(0, len(records), CHUNK_ROWS)):
            part = tuple(records[start : start + CHUNK_ROWS])
            yield Chunk(number, None, part, () if number else tuple(faults))

    def read(self, chunk: Chunk) -> ChunkRows:
        """The rows of a chunk, here; `reader` does the same elsewhere."""
        return self.reader.read(chunk)


@dataclass(frozen=True, slots=True)
class Scanned:
    """A set that was gone over once, its layout still open.

    `parsed` holds its records, or where it is streamed records that stand for all; `ranges` are
    its lines then.
    """

    parsed: ParsedFile
    num_records: int
    ranges: tuple[LineRange, ...] | None = None


def scan_source(path: str | Path) -> Scanned:
    """Go over a file or folder once; raises TailfinError where it cannot be used at all."""
    path = str(path)
    place = Path(path)
    is_streamed = place.is_file() and place.stat().st_size > STREAMED_BYTES
    if is_streamed and looks_like_lines(place):
        scan = scan_lines(place, CHUNK_ROWS)
        parsed = ParsedFile(path, "jsonl", scan.shapes, [], [])
        return Scanned(parsed, scan.num_records, scan.ranges)
    parsed = parse_file(path)
    return Scanned(parsed, len(parsed.records) + len(parsed.faults))


def open_source(
    path: str | Path | Scanned,
    *,
    layout: str = "auto",
    columns: Mapping[str, str] | None = None,
    system: str = "",
    plain_text: bool = False,
) -> Source:
    """Decide the layout of a file or folder, or of one that was scanned.

    `layout`, `columns`, `system` and `plain_text` as in engine.data.read. Raises TailfinError
    where the set cannot be used at all.
    """
    scanned = path if isinstance(path, Scanned) else scan_source(path)
    parsed = scanned.parsed
    decided = decide_layout(parsed.records, parsed.path, wanted=layout, columns=columns or {})
    if decided.name == "text" and not plain_text:
        raise plain_text_refused(parsed.path)
    notes = list(parsed.notes)
    if parsed.container in ("csv", "folder"):
        records, more = unpack_turns(parsed.records, decided, parsed.path)
        parsed = replace(parsed, records=records)
        notes += more
    notes += notes_of(parsed, decided, parsed.records)
    held = parsed if scanned.ranges is None else scanned.ranges
    reader = Reader(parsed.path, decided, system)
    return Source(reader, parsed.container, notes, held, scanned.num_records)
