"""Which layout the records of a file have, decided over all of them and never guessed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.data.faults import place
from engine.data.proposal import flags_for, propose
from engine.data.rows import Record
from engine.data.text import shown
from engine.errors import TailfinError

# layout -> the fields every row needs
REQUIRED: dict[str, tuple[str, ...]] = {
    "messages": ("messages",),
    "sharegpt": ("conversations",),
    "alpaca": ("instruction", "output"),
    "prompt_completion": ("prompt", "completion"),
    "preference": ("chosen", "rejected"),
    "judged": ("prompt", "completion", "label"),
    "squad": ("context", "question", "answers"),
    "text": ("text",),
}
# A layout whose fields are among those of a fuller one gives way to it where both fit.
_GIVES_WAY = {"prompt_completion": "judged"}
# layout -> part of a row -> field that holds it
PARTS: dict[str, dict[str, str]] = {
    "messages": {"turns": "messages", "system": "system", "tools": "tools"},
    "sharegpt": {"turns": "conversations", "system": "system", "tools": "tools"},
    "alpaca": {
        "prompt": "instruction",
        "input": "input",
        "completion": "output",
        "system": "system",
        "history": "history",
    },
    "prompt_completion": {"prompt": "prompt", "completion": "completion", "system": "system"},
    "preference": {
        "prompt": "prompt",
        "completion": "chosen",
        "rejected": "rejected",
        "system": "system",
    },
    "judged": {
        "prompt": "prompt",
        "completion": "completion",
        "label": "label",
        "system": "system",
    },
    "squad": {"prompt": "question", "context": "context", "completion": "answers"},
    "text": {"text": "text"},
}
# From this share of rows on, rows of another layout are strays of a file and not a mixture.
_MAIN_SHARE = 0.8
COLUMN_PARTS = ("prompt", "completion", "system", "input")
KNOWN_FIELDS = frozenset(field for parts in PARTS.values() for field in parts.values())


@dataclass(frozen=True, slots=True)
class Layout:
    """A decided layout: its name, and which field holds which part of a row."""

    name: str
    parts: dict[str, str]


def is_row(value: Mapping[str, object]) -> bool:
    """True for an object with the fields of a known layout."""
    return bool(_readings(value))


def decide_layout(
    records: Sequence[Record], path: str, *, wanted: str, columns: Mapping[str, str]
) -> Layout:
    """The layout of the file's records, from the user's choice or from a histogram over all rows.

    Raises TailfinError for mixed files, for rows with two readings, and, with a proposal, for
    columns nobody knows.
    """
    if columns:
        return _confirmed(records, path, wanted, columns)
    tables = [(r, r.value) for r in records if isinstance(r.value, Mapping)]
    if wanted == "columns":
        raise propose(records, path)
    if wanted != "auto":
        return _chosen(tables, path, wanted)
    first: dict[str, Record] = {}
    counts: dict[str, int] = {}
    unknown: list[tuple[Record, Mapping[str, object]]] = []
    for record, value in tables:
        readings = _readings(value)
        if len(readings) > 1:
            raise _two_readings(record, readings, path)
        if not readings:
            unknown.append((record, value))
            continue
        counts[readings[0]] = counts.get(readings[0], 0) + 1
        first.setdefault(readings[0], record)
    if not counts:
        raise propose(records, path)
    known = tuple(counts)
    for record, value in unknown:
        # A row that lacks one field of the file's layout is a fault of that row, not a mixture.
        if value and not any(_shares(value, name) for name in known):
            label = f"with columns {_listed(sorted(map(str, value))[:6])}"
            counts[label] = counts.get(label, 0) + 1
            first.setdefault(label, record)
    name = max(known, key=lambda one: counts[one])
    if counts[name] < _MAIN_SHARE * sum(counts.values()):
        raise _mixed(counts, first, path, name)
    return Layout(name, PARTS[name])


def other_layout(value: Mapping[str, object], name: str) -> str:
    """What a record is that has nothing of layout `name`: another layout or strange columns."""
    if not value or name not in REQUIRED:
        return ""
    readings = _readings(value)
    if name in readings or (not readings and _shares(value, name)):
        return ""
    return readings[0] if readings else f"columns {_listed(sorted(map(str, value))[:6])}"


def all_columns(records: Iterable[Record]) -> list[str]:
    """Names of all fields that occur, in order of appearance."""
    names: dict[str, None] = {}
    for record in records:
        if isinstance(record.value, Mapping):
            names.update(dict.fromkeys(map(str, record.value)))
    return list(names)


def _readings(value: Mapping[str, object]) -> list[str]:
    """Layouts whose required fields are there; null fields count only where nothing else fits."""
    filled = {key for key, inner in value.items() if inner is not None}
    found = [name for name, needed in REQUIRED.items() if filled.issuperset(needed)]
    found = found or [name for name, needed in REQUIRED.items() if value.keys() >= set(needed)]
    if "judged" in found and not isinstance(value["label"], bool):
        found.remove("judged")  # a class of the row, not a verdict on the answer
    found = [name for name in found if _GIVES_WAY.get(name) not in found]
    # Many sets carry the rendered row as `text` beside its parts.
    return [name for name in found if name != "text"] or found


def _shares(value: Mapping[str, object], name: str) -> bool:
    return any(field in value for field in REQUIRED[name])


def _chosen(
    tables: Sequence[tuple[Record, Mapping[str, object]]], path: str, wanted: str
) -> Layout:
    if wanted not in REQUIRED:
        raise TailfinError(
            f"There is no data format {wanted!r}.",
            f"Choose one of: auto, {', '.join(REQUIRED)}, columns.",
            where="data.format",
        )
    if not any(value.keys() >= set(REQUIRED[wanted]) for _, value in tables):
        names = all_columns(record for record, _ in tables)
        raise TailfinError(
            f"No row of {path} has the fields of data.format={wanted} "
            f"({', '.join(REQUIRED[wanted])}); the fields are: {_listed(names[:12])}.",
            "Use --set data.format=auto, or name the columns: "
            "--set data.columns.prompt=NAME --set data.columns.completion=NAME",
            where=path,
        )
    return Layout(wanted, PARTS[wanted])


def _confirmed(
    records: Sequence[Record], path: str, wanted: str, columns: Mapping[str, str]
) -> Layout:
    if wanted not in ("auto", "columns"):
        raise TailfinError(
            f"data.format={wanted} and data.columns were both given.",
            "Give one of them; with data.columns the format is columns.",
            where="data.format",
        )
    for part in columns:
        if part not in COLUMN_PARTS:
            raise TailfinError(
                f"data.columns.{part} is not a part of a row.",
                f"Use: {', '.join(COLUMN_PARTS)}.",
                where=f"data.columns.{part}",
            )
    for part in ("prompt", "completion"):
        if part not in columns:
            raise TailfinError(
                f"data.columns names no {part}.",
                f"Add: --set data.columns.{part}=NAME",
                where=f"data.columns.{part}",
            )
    names = all_columns(records)
    for part, column in columns.items():
        if column not in names:
            near = difflib.get_close_matches(column, names, n=1)
            raise TailfinError(
                f"No row of {path} has the column {shown(column)} of data.columns.{part}; the "
                f"columns are: {_listed(names[:12])}.",
                f"Use: {flags_for({part: near[0]})}" if near else "Name one of these.",
                where=f"data.columns.{part}",
            )
    return Layout("columns", dict(columns))


def _two_readings(record: Record, readings: Sequence[str], path: str) -> TailfinError:
    flags = " or ".join(f"--set data.format={name}" for name in readings)
    listed = " and ".join(f"{name} ({', '.join(REQUIRED[name])})" for name in readings)
    where = place(path, record.record, record.line)
    return TailfinError(
        f"The rows of {path} can be read in {len(readings)} ways: {listed}.",
        f"Choose one: {flags}",
        where=where,
        error_id="data.two-readings",
    )


def _mixed(
    counts: Mapping[str, int], first: Mapping[str, Record], path: str, main: str
) -> TailfinError:
    kinds = [
        f"{num} {'row' if num == 1 else 'rows'} {name if ' ' in name else f'as {name}'} "
        f"(first at {place(first[name].file or path, first[name].record, first[name].line)})"
        for name, num in sorted(counts.items(), key=lambda item: -item[1])
    ]
    more = f" and {len(kinds) - 6} kinds more" if len(kinds) > 6 else ""
    return TailfinError(
        f"The data file {path} mixes layouts: {'; '.join(kinds[:6])}{more}.",
        f"Split it into one file per layout, or read one and leave the rest out: "
        f"--set data.format={main} --skip-bad-rows",
        where=path,
        error_id="data.mixed",
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(shown(name) for name in names)
