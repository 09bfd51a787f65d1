"""Reads a data file of any supported container and layout into rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.data.content import decode, is_parquet, load_bytes
from engine.data.conversation import read_messages
from engine.data.csv_text import read_csv
from engine.data.faults import Fault, RowFault, group_faults
from engine.data.json_text import looks_like_json, read_json
from engine.data.layout import KNOWN_FIELDS, Layout, all_columns, decide_layout, is_row
from engine.data.parquet_file import read_parquet
from engine.data.rows import Container, DataFile, Record, Row
from engine.data.text import shown
from engine.data.values import parse_cell
from engine.errors import TailfinError
from engine.findings import Finding, worst_first

_SUFFIXES: dict[str, Container] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
# Names that mark a file as one to evaluate on, as hub datasets use them.
_HELD_OUT = re.compile(r"(?:^|[^a-z])(?:test|valid|validation|eval|dev|heldout)(?:[^a-z]|$)")


def read_data(
    path: str | Path,
    *,
    layout: str = "auto",
    columns: Mapping[str, str] | None = None,
    system: str = "",
) -> DataFile:
    """Read a file of chat rows; container and layout are recognised by content.

    `layout` and `columns` are the user's choices (data.format, data.columns); `system` is put
    before rows without a system prompt. Raises TailfinError for files that cannot be used at all,
    naming file, line and field; faults of single rows are in `problems`, and those rows left out.
    """
    return read_rows(parse_file(path), layout=layout, columns=columns, system=system)


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """A file whose container was recognised and parsed, its layout still open."""

    path: str
    container: Container
    records: list[Record]
    faults: list[Fault]
    notes: list[Finding]


def parse_file(path: str | Path) -> ParsedFile:
    """The records of a file with at least one; raises TailfinError where there are none."""
    path = str(path)
    parsed = _parse_folder(path) if Path(path).is_dir() else _parse(path)
    if not parsed.records and not parsed.faults:
        raise TailfinError(
            f"The data file {path} holds no rows.", "Check that its export finished.", where=path
        )
    return parsed


def read_rows(
    parsed: ParsedFile,
    *,
    layout: str = "auto",
    columns: Mapping[str, str] | None = None,
    system: str = "",
    plain_text: bool = False,
) -> DataFile:
    """The second half of `read_data`: decide the layout, then turn records into rows.

    With `plain_text`, rows of text alone become rows with one assistant turn, to be looked at;
    without it they are refused, because there is no answer to train on.
    """
    path = parsed.path
    decided = decide_layout(parsed.records, path, wanted=layout, columns=columns or {})
    if decided.name == "text" and not plain_text:
        raise plain_text_refused(path)
    notes = list(parsed.notes)
    records = parsed.records
    if parsed.container in ("csv", "folder"):
        records, note = unpack_turns(records, decided, path)
        notes += note
    rows: list[Row] = []
    faults = list(parsed.faults)
    for record in records:
        try:
            said = read_messages(record.value, decided, system)
        except RowFault as fault:
            at = (record.record, record.line, record.file)
            faults.append(Fault(fault.kind, fault.field, fault.detail, *at))
            continue
        at = (record.record, record.line, record.file)
        rows.append(
            Row(said.messages, record.record, record.line, said.rejected, said.tools, record.file)
        )
        faults += [Fault(kind, field, "", *at) for kind, field in said.remarks]
    read = {row.record for row in rows}
    notes += notes_of(parsed, decided, [r for r in parsed.records if r.record in read])
    faults.sort(key=lambda fault: fault.record)
    return DataFile(
        path=path,
        container=parsed.container,
        layout=decided.name,
        columns=dict(columns or {}),
        rows=tuple(rows),
        problems=tuple(worst_first([*group_faults(faults, path), *notes])),
        num_records=len(parsed.records) + len(parsed.faults),
    )


def _parse_folder(path: str) -> ParsedFile:
    """All data files of a folder, in the order of their names, as one."""
    records: list[Record] = []
    faults: list[Fault] = []
    notes: list[Finding] = []
    files = data_files(path)
    for name in files:
        parsed = _parse(str(name))
        first, told = len(records) + len(faults), str(name)
        for record in parsed.records:
            records.append(Record(record.value, first + record.record, record.line, told))
        faults += [replace(f, record=first + f.record, file=told) for f in parsed.faults]
        notes += parsed.notes
    if len(files) > 1:
        said = f"{len(files)} files were read as one, in the order of their names."
        notes.append(Finding("data.folder", "info", said, where=path))
    return ParsedFile(path, "folder", records, faults, notes)


def data_files(folder: str) -> list[Path]:
    """Files of a folder that are named as data, sorted.

    Raises TailfinError where there are none, and where some are named as held-out ones.
    """
    found = [
        path
        for path in sorted(Path(folder).iterdir())
        if path.is_file() and not path.name.startswith(".") and _named(path) is not None
    ]
    if not found:
        endings = ", ".join(_SUFFIXES)
        raise TailfinError(
            f"The folder {folder} holds no data file.",
            f"Name one file, or a folder of files ending on {endings} (also with .gz or .zst).",
            where=folder,
            error_id="data.empty-folder",
        )
    held_out = [path for path in found if _HELD_OUT.search(path.stem.lower())]
    if held_out and len(held_out) < len(found):
        rest = next(path for path in found if path not in held_out)
        raise TailfinError(
            f"The folder {folder} holds files to train on and, by its name, one to evaluate on: "
            f"{shown(held_out[0].name)}.",
            f"Name both: --data {rest} --set data.eval_path={held_out[0]}",
            where=folder,
            error_id="data.two-readings",
        )
    return found


def _named(path: Path) -> Container | None:
    """The container a file is named for, the ending of a compressed one left out."""
    name = path.name.lower()
    for packing in (".gz", ".zst", ".bz2", ".xz"):
        name = name.removesuffix(packing)
    return _SUFFIXES.get(Path(name).suffix)


def plain_text_refused(path: str) -> TailfinError:
    """The error for rows of text alone, where training needs answers."""
    return TailfinError(
        f"The rows of {path} are plain text, a single column in which question and answer cannot "
        "be told apart.",
        "Write prompt and completion into two columns, or give messages: training is on answers.",
        where=path,
        error_id="data.plain-text",
    )


def _parse(path: str) -> ParsedFile:
    data = load_bytes(path)
    if is_parquet(data):
        return ParsedFile(path, "parquet", read_parquet(data, path), [], [])
    text = decode(data, path)
    if looks_like_json(text):
        found = read_json(text, path, is_row)
        notes = []
        if found.wrapper:
            said = f"The rows are the array under {shown(found.wrapper)}; the rest was not read."
            notes.append(Finding("data.wrapped", "info", said, where=path))
        return ParsedFile(path, found.container, found.records, found.faults, notes)
    table = read_csv(text, path, KNOWN_FIELDS)
    notes = []
    if "" in table.header:
        said = "A column without a name (often a written-out index) was left out."
        notes.append(Finding("data.unnamed-column", "info", said, where=f"{path}:1"))
    return ParsedFile(path, "csv", table.records, table.faults, notes)


def notes_of(parsed: ParsedFile, layout: Layout, read: Sequence[Record]) -> list[Finding]:
    """What is odd about a file as a whole: its name, and columns nobody uses."""
    path = parsed.path
    notes = []
    suffix = Path(path).suffix.lower()
    named = _named(Path(path)) or parsed.container
    if named != parsed.container != "folder" and len(parsed.records) > 1:
        said = f"The file is named {suffix} but its content is {parsed.container}; read as such."
        notes.append(Finding("data.name-mismatch", "info", said, where=path))
    used = set(layout.parts.values())
    unused = [name for name in all_columns(read) if name not in used]
    if unused:
        more = f" and {len(unused) - 8} more" if len(unused) > 8 else ""
        listed = ", ".join(shown(name) for name in unused[:8])
        said = f"Columns that were not used: {listed}{more}."
        notes.append(Finding("data.unused-columns", "info", said, where=path))
    return notes


def unpack_turns(
    records: Sequence[Record], layout: Layout, path: str
) -> tuple[list[Record], list[Finding]]:
    """Table cells of prompt and completion that all hold JSON turns, replaced by those turns."""
    fields = [layout.parts[part] for part in ("prompt", "completion") if part in layout.parts]
    unpacked = list(records)
    notes = []
    for field in fields:
        cells = [r.value[field] for r in unpacked if isinstance(r.value, dict) and field in r.value]
        turns = [parse_cell(cell) for cell in cells]
        if not turns or not all(_are_turns(value) for value in turns):
            continue
        unpacked = [
            replace(r, value={**r.value, field: parse_cell(r.value[field])})
            if isinstance(r.value, dict) and field in r.value
            else r
            for r in unpacked
        ]
        said = f"Column {shown(field)} holds JSON turns and was read as such."
        notes.append(Finding("data.turns-in-cells", "info", said, where=path))
    return unpacked, notes


def _are_turns(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(turn, dict) and {"role", "content"} <= turn.keys() for turn in value)
    )
