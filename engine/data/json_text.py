"""JSON and JSONL text, parsed into records that know their lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from engine.data.faults import Fault
from engine.data.rows import Container, Record
from engine.data.text import inert, shown
from engine.errors import TailfinError

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_TOO_DEEP = "nested too deeply"


@dataclass(frozen=True, slots=True)
class JsonRecords:
    """Records of a JSON or JSONL text; `wrapper` is the key of the array in a wrapping object."""

    container: Container
    records: list[Record]
    faults: list[Fault]
    wrapper: str = ""


def looks_like_json(text: str) -> bool:
    """True where the first character opens an array or object, or most lines are objects."""
    start = text[_skip_space(text, 0) :][:1]
    return start in ("[", "{") or _looks_like_lines(text)


def read_json(text: str, path: str, is_row: Callable[[dict[str, object]], bool]) -> JsonRecords:
    """Parse a JSON array, an object that wraps one array, or JSONL.

    `is_row` tells a lone object that is one row from one that wraps rows. Syntax errors in JSONL
    become faults of their line; in JSON they raise TailfinError with line, column and caret.
    """
    start = _skip_space(text, 0)
    if text.startswith("[", start):
        return JsonRecords("json", _read_array(text, start, path), [])
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if _looks_like_lines(text):
            return _read_lines(text, path)
        raise _explain(text, error.msg, error.pos, path) from None
    except (RecursionError, ValueError) as error:
        raise _unreadable(error, path) from None
    if not isinstance(value, dict):
        raise _explain(text, "Expecting an array or an object", start, path)
    if is_row(value) or not _arrays_of_tables(value):
        container: Container = "jsonl" if "\n" not in text[start:].rstrip() else "json"
        line = text.count("\n", 0, start) + 1
        return JsonRecords(container, [Record(value, 0, line)], [])
    return _read_wrapped(text, start, value, path)


def read_line(raw: bytes, number: int, line: int) -> Record | Fault:
    """One line of a JSON Lines file as its record, or as the fault that says what is wrong."""
    try:
        return _read_one(raw.decode("utf-8"), number, line)
    except UnicodeDecodeError as error:
        detail = (
            f"line {line}: byte 0x{raw[error.start]:02x} at column {error.start + 1} is not UTF-8"
        )
        return Fault("bad-json", "", detail, number, line)


def _read_array(text: str, start: int, path: str) -> list[Record]:
    records: list[Record] = []
    line, seen = 1, 0
    for position, value in _elements(text, start, path):
        line += text.count("\n", seen, position)
        seen = position
        records.append(Record(value, len(records), line))
    return records


def _read_lines(text: str, path: str) -> JsonRecords:
    records: list[Record] = []
    faults: list[Fault] = []
    number = 0
    for line, raw in enumerate(text.split("\n"), start=1):
        if not raw.strip():
            continue
        found = _read_one(raw, number, line)
        if isinstance(found, Record):
            records.append(found)
        else:
            faults.append(found)
        number += 1
    return JsonRecords("jsonl", records, faults)


def _read_one(raw: str, number: int, line: int) -> Record | Fault:
    try:
        return Record(json.loads(raw), number, line)
    except json.JSONDecodeError as error:
        reason = _reason(raw, error.msg, error.pos)
        detail = f"line {line} column {error.colno}: {reason}"
    except (RecursionError, ValueError) as error:
        detail = f"line {line}: {_TOO_DEEP if isinstance(error, RecursionError) else error}"
    return Fault("bad-json", "", detail, number, line)


def _read_wrapped(text: str, start: int, value: dict[str, object], path: str) -> JsonRecords:
    arrays = _arrays_of_tables(value)
    if len(arrays) > 1:
        raise TailfinError(
            f"The data file {path} is one object with several arrays of rows: "
            f"{', '.join(map(shown, arrays))}.",
            "Keep one of these arrays as the file.",
            where=path,
        )
    position = start + 1
    while True:
        position = _skip_space(text, position)
        key, position = _DECODER.raw_decode(text, position)
        position = _skip_space(text, _skip_space(text, position) + 1)
        if key == arrays[0] and text.startswith("[", position):
            return JsonRecords("json", _read_array(text, position, path), [], wrapper=key)
        _, position = _DECODER.raw_decode(text, position)
        position = _skip_space(text, position) + 1


def _elements(text: str, start: int, path: str) -> Iterator[tuple[int, object]]:
    """Position and value of each array element; raises TailfinError at the first syntax error."""
    position = _skip_space(text, start + 1)
    num_whole = 0
    if text.startswith("]", position):
        return
    while True:
        try:
            value, end = _DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise _explain(text, error.msg, error.pos, path, num_whole) from None
        except (RecursionError, ValueError) as error:
            raise _unreadable(error, path) from None
        yield position, value
        num_whole += 1
        end = _skip_space(text, end)
        if text.startswith("]", end):
            rest = _skip_space(text, end + 1)
            if start == _skip_space(text, 0) and rest < len(text):
                raise _explain(text, "Extra data", rest, path, num_whole)
            return
        if not text.startswith(",", end):
            raise _explain(text, "Expecting ',' delimiter", end, path, num_whole)
        position = _skip_space(text, end + 1)


def _explain(text: str, said: str, position: int, path: str, num_whole: int = 0) -> TailfinError:
    """A whole-file syntax error: place, reason, the line with a caret, and the way out."""
    line = text.count("\n", 0, position) + 1
    begin = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    end = len(text) if end < 0 else end
    column = position - begin + 1
    before = inert(text[max(begin, position - 40) : position])
    after = inert(text[position : min(end, position + 30)])
    reason = _reason(text, said, position)
    action = f"Correct line {line}."
    if position >= len(text.rstrip()) or said.startswith("Unterminated string"):
        action = "Download or export the file again: its end is missing."
    elif "trailing comma" in reason:
        action = f"Remove the comma before line {line}, column {column}."
    elif said == "Extra data" and text.startswith(",", position):
        action = "Put [ before the first row and ] after the last one."
    elif said == "Extra data":
        action = "Write one object per line (JSONL), or all of them in one array."
    if num_whole:
        rows = "row comes" if num_whole == 1 else "rows come"
        action += f" {num_whole} whole {rows} before this place; to keep what is whole: "
        action += f"tailfin data salvage {path} OUT.jsonl"
    return TailfinError(
        f"The data file {path} is broken JSON at line {line}, column {column}: {reason}.\n"
        f"    {before}{after}\n    {' ' * len(before)}^",
        action,
        where=f"{path}:{line}",
        error_id="data.broken-json",
    )


def _reason(text: str, said: str, position: int) -> str:
    here = text[position : position + 1]
    before = text[max(0, position - 200) : position].rstrip()[-1:]
    if position >= len(text.rstrip()):
        return "the text ends before the JSON is complete"
    if (here in ("]", "}") and before == ",") or said.startswith("Illegal trailing comma"):
        return "a trailing comma before the closing bracket"
    if here == "'":
        return "single quotes where JSON needs double quotes"
    if said.startswith("Invalid control character"):
        return "a raw line break or tab inside a string (write \\n or \\t)"
    if said.startswith("Unterminated string"):
        return "a string opened here never ends"
    if said == "Extra data":
        return "more text after the end of the value (two rows on one line?)"
    return said[:1].lower() + said[1:]


def _unreadable(error: Exception, path: str) -> TailfinError:
    reason = _TOO_DEEP if isinstance(error, RecursionError) else str(error)
    return TailfinError(
        f"The data file {path} could not be parsed as JSON: {reason}.",
        "Write one plain object per row.",
        where=path,
        error_id="data.broken-json",
    )


def _looks_like_lines(text: str, num: int = 50) -> bool:
    """True where at least half of the first lines are complete JSON objects."""
    checked = objects = 0
    for raw in _first_lines(text, num):
        checked += 1
        if raw.startswith("{"):
            try:
                objects += isinstance(json.loads(raw), dict)
            except (ValueError, RecursionError):
                continue
    return checked > 0 and objects * 2 >= checked


def _first_lines(text: str, num: int) -> Iterator[str]:
    position = 0
    while num > 0 and position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end].strip()
        if line:
            yield line
            num -= 1
        position = end + 1


def _arrays_of_tables(value: dict[str, object]) -> list[str]:
    return [
        key
        for key, inner in value.items()
        if isinstance(inner, list) and any(isinstance(item, dict) for item in inner)
    ]


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
