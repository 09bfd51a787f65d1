"""Installed distributions, read from their metadata folders without importing anything.

importlib.metadata gives the same answers but costs 25 ms to import and 2 ms per name; the doctor
asks for a dozen names within its second.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_FOLDER = re.compile(r"^(?P<name>.+?)-(?P<version>[^-]+?)(-py[0-9.]+)?\.(dist|egg)-info$")
_REQUIRED_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")
_RELEASE = re.compile(r"^\s*v?(?:\d+!)?(\d+(?:\.\d+)*)")
_LOWER_BOUND = re.compile(r"(?:>=|==|~=)\s*([0-9][0-9A-Za-z.+!-]*)")


@dataclass(frozen=True, slots=True)
class Distribution:
    """One installed distribution; `name` is normalised, `metadata` its dist-info folder."""

    name: str
    version: str
    metadata: Path


def installed(paths: Sequence[str] | None = None) -> dict[str, Distribution]:
    """Every distribution on the import path by normalised name; the first on the path wins."""
    found: dict[str, Distribution] = {}
    for folder in sys.path if paths is None else paths:
        try:
            names = sorted(os.listdir(folder or "."))
        except OSError:  # zip files and folders that are not there
            continue
        for entry in names:
            match = _FOLDER.match(entry)
            if match:
                name = normalise(match["name"])
                found.setdefault(name, Distribution(name, match["version"], Path(folder, entry)))
    return found


def normalise(name: str) -> str:
    """A distribution's name the way indexes compare it: `Huggingface.Hub` is `huggingface-hub`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def release(version: str) -> tuple[int, ...]:
    """The release numbers of a version: `2.13.0+cu130` is (2, 13, 0); () where there are none."""
    match = _RELEASE.match(version)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def older(version: str, minimum: str) -> bool:
    """Whether a version's release numbers are below a minimum's (`2.6` and `2.6.0` are equal)."""
    have, need = release(version), release(minimum)
    width = max(len(have), len(need))
    return have + (0,) * (width - len(have)) < need + (0,) * (width - len(need))


def required_name(requirement: str) -> str:
    """The normalised name a requirement line begins with."""
    match = _REQUIRED_NAME.match(requirement.strip())
    return normalise(match[0]) if match else ""


def lower_bound(requirement: str) -> str:
    """The lowest version a requirement accepts, empty where it names none."""
    match = _LOWER_BOUND.search(requirement.partition(";")[0])
    return match[1] if match else ""


def requirement_lines(distribution: Distribution) -> list[str]:
    """The `Requires-Dist` lines of a distribution; empty where its metadata cannot be read."""
    try:
        text = (distribution.metadata / "METADATA").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    header = text.partition("\n\n")[0]
    return re.findall(r"^Requires-Dist:\s*(.+?)\s*$", header, re.MULTILINE)


def required_closure(name: str, known: Mapping[str, Distribution]) -> set[str]:
    """Names of everything an installed distribution needs, itself included, optional parts not."""
    seen: set[str] = set()
    waiting = [normalise(name)]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        if current in known:
            waiting += _plain_names(requirement_lines(known[current]))
    return seen


def _plain_names(lines: Iterable[str]) -> list[str]:
    return [required_name(line) for line in lines if "extra ==" not in line]
