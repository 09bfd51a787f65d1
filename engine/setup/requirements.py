"""What tailfin itself needs: its declared requirements and the pins that were tested."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from engine.bundled import bundled
from engine.errors import TailfinError
from engine.setup.installed import (
    Distribution,
    installed,
    required_closure,
    required_name,
    requirement_lines,
)

_EXTRA = re.compile(r"extra\s*==\s*['\"](?P<extra>[^'\"]+)['\"]")


def requirements(extra: str = "", known: Mapping[str, Distribution] | None = None) -> list[str]:
    """Requirement lines of the core (empty name) or of one extra, without their markers.

    Read from the installed metadata, or from pyproject.toml in a checkout that is not installed.
    """
    tailfin = (installed() if known is None else known).get("tailfin")
    lines = requirement_lines(tailfin) if tailfin else []
    if not lines:
        return _from_pyproject(bundled("pyproject.toml"), extra)
    chosen = []
    for line in lines:
        match = _EXTRA.search(line)
        if (match["extra"] if match else "") == extra:
            chosen.append(line.partition(";")[0].strip())
    return chosen


def pins(path: Path | None = None) -> list[str]:
    """The tested set, one `name==version` per line, torch left out."""
    return _requirement_file(path or bundled("constraints.txt"))


def torch_pin(path: Path | None = None) -> str:
    """The tested torch, such as `torch==2.13.0`."""
    return _requirement_file(path or bundled("torch.txt"))[0]


def pins_beside_torch(
    all_pins: list[str], torch_version: str, known: Mapping[str, Distribution]
) -> list[str]:
    """The pins that leave an installed torch alone.

    torch is pinned to what is there, and what it needs is not pinned: torch 2.6 asks for exactly
    sympy 1.13.1, and against another pin the installer would pick another torch.
    """
    own = required_closure("torch", known)
    # The installer compares with the metadata, which may leave out the `+cu130` of version.py.
    if "torch" in known:
        torch_version = known["torch"].version
    return [f"torch=={torch_version}"] + [pin for pin in all_pins if required_name(pin) not in own]


def _requirement_file(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TailfinError(
            f"The list of tested versions could not be read: {error.strerror}.",
            "Install tailfin again; this file belongs to it.",
            where=path,
            error_id="setup.pins-missing",
        ) from error
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _from_pyproject(path: Path, extra: str) -> list[str]:
    try:
        import tomllib  # not in Python 3.10, on which the doctor still answers
    except ImportError:
        return []
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    except OSError:
        return []
    lines = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return [str(line) for line in lines]
