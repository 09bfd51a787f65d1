"""Separated text (CSV, TSV), parsed into records that know their lines."""

from __future__ import annotations

import csv
import io
import itertools
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from engine.data.content import unrecognised
from engine.data.faults import Fault
from engine.data.rows import Record
from engine.data.text import shown
from engine.errors import TailfinError

_DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar"}
_NUM_SNIFFED = 50


@dataclass(frozen=True, slots=True)
class CsvRecords:
    """Records of a separated text; `header` holds its column names, "" where one has no name."""

    records: list[Record]
    faults: list[Fault]
    header: list[str]
    delimiter: str


def read_csv(text: str, path: str, known: Collection[str]) -> CsvRecords:
    """Parse separated text; the delimiter is the one under which header and rows agree.

    `known` are the column names of all layouts; they decide between two delimiters that both fit.
    Rows with another number of cells become faults; text that is no table raises TailfinError.
    """
    csv.field_size_limit(sys.maxsize)
    delimiter = _find_delimiter(text, path, known)
    rows = _rows(text, delimiter)
    first = next(rows)
    header = [name.strip() for name in first[1]] if isinstance(first[1], list) else []
    named = [name for name in header if name]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise TailfinError(
            f"The data file {path} has the column {shown(twice[0])} more than once.",
            "Rename or remove one of them.",
            where=f"{path}:1",
        )
    records: list[Record] = []
    faults: list[Fault] = []
    for number, (line, cells) in enumerate(rows):
        if isinstance(cells, csv.Error):
            if "unexpected end of data" in str(cells):
                raise _open_quote(path, line)
            faults.append(Fault("bad-quotes", "", f"line {line}: {cells}", number, line))
        elif len(cells) != len(header):
            detail = f"{len(cells)} cells for {len(header)} columns"
            faults.append(Fault("ragged", "", detail, number, line))
        else:
            row = {k: cell for k, cell in zip(header, cells, strict=True) if k}
            records.append(Record(row, number, line))
    if not records and not faults:
        raise TailfinError(
            f"The data file {path} has a header and no rows.",
            "Check that its export finished.",
            where=path,
        )
    return CsvRecords(records, faults, header, delimiter)


def _find_delimiter(text: str, path: str, known: Collection[str]) -> str:
    fits: list[tuple[bool, int, str]] = []
    for delimiter in _DELIMITERS:
        sample = [cells for _, cells in itertools.islice(_rows(text, delimiter), _NUM_SNIFFED)]
        header = sample[0] if sample else []
        if not isinstance(header, list):
            continue
        names = {name.strip() for name in header} - {""}
        knows = bool(names & set(known))
        agree = sum(isinstance(cells, list) and len(cells) == len(header) for cells in sample)
        if (len(names) > 1 or knows) and agree * 4 >= len(sample) * 3:
            fits.append((knows, len(header), delimiter))
    if not fits:
        raise unrecognised(path, text.lstrip().split("\n", 1)[0])
    best = max(fits)[:2]
    equal = [delimiter for *fit, delimiter in fits if tuple(fit) == best]
    if len(equal) > 1 and best[1] > 1:  # a single column reads the same under all of them
        names_of = " or ".join(_DELIMITERS[delimiter] for delimiter in equal)
        raise TailfinError(
            f"The data file {path} can be split at {names_of}, with equal right.",
            "Save it again with cells in double quotes.",
            where=f"{path}:1",
        )
    return equal[0]


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """First line and cells of each row that is not blank; an error stands for a row with one."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, error
            continue
        if cells:
            yield line, cells


def _open_quote(path: str, line: int) -> TailfinError:
    return TailfinError(
        f"The data file {path} has a double quote in the row at line {line} that never closes.",
        'Close it, or write quotes inside cells twice ("").',
        where=f"{path}:{line}",
        error_id="data.broken-csv",
    )
