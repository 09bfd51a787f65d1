"""What a file picker shows: one folder's entries, and what a half-typed path could become.

Only names and sizes are looked at, never contents; a folder on a dead network drive can still
keep the caller waiting, so call these in a thread.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.data.text import inert

_DATA = {
    ".json": "JSON",
    ".jsonl": "JSONL",
    ".ndjson": "JSONL",
    ".csv": "CSV",
    ".tsv": "TSV",
    ".parquet": "Parquet",
}
# Compressed files are read as what is in them; an archive of several files is not.
_PACKED = (".gz", ".zst", ".bz2", ".xz")
_ARCHIVES = {".zip": "zip, unpack first", ".tar": "tar, unpack first", ".tgz": "tar, unpack first"}
_MODEL = "model"
_DIGITS = re.compile(r"(\d+)")
_MAX_COMPLETIONS = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder; `name` is as it stands on disk, so make it harmless before drawing it.

    `num_bytes` is 0 for folders, `modified_s` counts from 1970. `looks` says by the name alone
    what a file is (JSONL, CSV, "zip, unpack first"), "model" for a folder with a model's files,
    and nothing for all others, which may hold rows all the same.
    """

    name: str
    is_folder: bool
    num_bytes: int
    modified_s: float
    looks: str

    @property
    def is_data(self) -> bool:
        """True for files whose name promises rows that this version reads."""
        return not self.is_folder and self.looks in _DATA.values()


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder's entries: folders, then data files, packed ones, other files; each by name.

    `folder` is absolute, `parent` None at the root. Hidden entries are not listed; `num_left_out`
    counts what else is missing: beyond the limit, or neither file nor folder (pipes, dangling
    links). `trouble` is a sentence where the folder could not be read, or not to its end.
    """

    folder: Path
    parent: Path | None
    entries: tuple[Entry, ...]
    trouble: str = ""
    num_left_out: int = 0


def list_folder(folder: Path, *, limit: int = 2000) -> Listing:
    """Look into a folder; raises nothing, `trouble` says what went wrong.

    Beyond `limit` entries other files are left out first, then folders and data files alike.
    """
    try:
        place = Path(os.path.abspath(os.path.expanduser(folder)))
    except OSError:
        said = "The current folder is gone; go to another one."
        return Listing(Path(folder), Path(os.path.expanduser("~")), (), said)
    groups: tuple[list[os.DirEntry[str]], ...] = ([], [], [], [])
    num_left_out, trouble = 0, ""
    try:
        for found in _visible(place):
            group = _group(found)
            if group is None:
                num_left_out += 1
            else:
                groups[group].append(found)
    except (OSError, ValueError) as error:
        trouble = _trouble(place, error)
    entries = [entry for found in _within(groups, limit) if (entry := _entry(found)) is not None]
    return Listing(
        folder=place,
        parent=place.parent if place.parent != place else None,
        entries=tuple(entries),
        trouble=trouble,
        num_left_out=num_left_out + sum(map(len, groups)) - len(entries),
    )


def complete(text: str) -> tuple[str, ...]:
    """What a half-typed path could become, at most 200 paths; folders come first and end in /.

    Every path begins with the text as it was typed, ~ and relative ones too. Hidden names are
    offered once their dot was typed.
    """
    tail = text.rpartition("/")[2]
    prefix = text[: len(text) - len(tail)]
    if tail == ".." or (tail.startswith("~") and not prefix):
        return (f"{text}/",) if os.path.isdir(os.path.expanduser(text)) else ()
    groups: tuple[list[str], ...] = ([], [], [], [])
    # A folder that cannot be read, or was never there, completes to nothing.
    with contextlib.suppress(OSError, ValueError):
        for found in _visible(os.path.expanduser(prefix) or ".", hidden=tail.startswith(".")):
            group = _group(found) if found.name.startswith(tail) else None
            if group is not None:
                groups[group].append(found.name)
    paths = [
        f"{prefix}{name}{'' if number else '/'}"
        for number, names in enumerate(groups)
        for name in heapq.nsmallest(_MAX_COMPLETIONS, names, key=_by_name)
    ]
    return tuple(paths[:_MAX_COMPLETIONS])


def looks_like_model(folder: Path) -> bool:
    """True for a folder with a config.json and weights; nothing is opened."""
    try:
        if not os.path.isfile(os.path.join(folder, "config.json")):
            return False
        from engine.hub.files import weight_entry

        return weight_entry({found.name for found in _visible(folder)}) is not None
    except (OSError, ValueError):
        return False


def _visible(folder: str | Path, *, hidden: bool = False) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        for entry in found:
            if hidden or not entry.name.startswith("."):
                yield entry


def _group(entry: os.DirEntry[str]) -> int | None:
    """0 folder, 1 data, 2 packed, 3 any other file; None for what cannot be opened as either."""
    try:
        if entry.is_dir():
            return 0
        if not entry.is_file():
            return None
    except OSError:  # a link in a circle, or to a place that may not be entered
        return None
    suffix = _suffix(entry.name)
    return 1 if suffix in _DATA else 2 if suffix in _ARCHIVES else 3


def _within(groups: tuple[list[os.DirEntry[str]], ...], limit: int) -> Iterable[os.DirEntry[str]]:
    """The first entries of each group by name, so many that none crowds out the one before."""
    num_data = min(len(groups[1]), limit // 2)
    room = limit - num_data
    for number, group in enumerate(groups):
        num = min(len(group), room)
        yield from heapq.nsmallest(num, group, key=lambda entry: _by_name(entry.name))
        room -= num
        if number == 0:
            room += num_data


def _entry(found: os.DirEntry[str]) -> Entry | None:
    try:
        facts = found.stat()
        if found.is_dir():
            looks = _MODEL if looks_like_model(Path(found.path)) else ""
            return Entry(found.name, True, 0, facts.st_mtime, looks)
    except OSError:  # gone since it was listed
        return None
    suffix = _suffix(found.name)
    looks = _DATA.get(suffix) or _ARCHIVES.get(suffix, "")
    return Entry(found.name, False, facts.st_size, facts.st_mtime, looks)


def _suffix(name: str) -> str:
    """The ending in lower case, that of a compression left out: .jsonl for a.jsonl.gz."""
    stem, suffix = os.path.splitext(name.lower())
    return os.path.splitext(stem)[1] if suffix in _PACKED else suffix


def _by_name(name: str) -> tuple[list[str | int], str]:
    """As a person counts: part-2 before part-10, whatever the case."""
    parts = _DIGITS.split(name.casefold())
    return [int(part) if number % 2 else part for number, part in enumerate(parts)], name


def _trouble(folder: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return inert(f"There is no folder {folder}.")
    if isinstance(error, NotADirectoryError):
        return inert(f"{folder} is a file, not a folder.")
    if isinstance(error, PermissionError):
        return inert(f"You may not look into {folder}.")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return inert(f"{folder} could not be read: {reason}.")
