"""Installed packages that ask for other versions of each other than are there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.setup.installed import (
    Distribution,
    older,
    release,
    required_name,
    requirement_lines,
)

_BOUND = re.compile(r"(>=|<=|==|!=|~=|<|>)\s*([0-9][0-9A-Za-z.*+!-]*)")


@dataclass(frozen=True, slots=True)
class Conflict:
    """`package` asks for `wanted` (such as `tokenizers<0.24,>=0.23.1`), `has` is installed."""

    package: str
    wanted: str
    has: str


def conflicts(known: Mapping[str, Distribution], packages: Iterable[str]) -> list[Conflict]:
    """What these packages ask for and do not get; requirements with a marker are left out."""
    found = []
    for package in packages:
        for line in requirement_lines(known[package]) if package in known else []:
            name = required_name(line)
            if ";" in line or name not in known or meets(known[name].version, line):
                continue
            found.append(Conflict(package, line, f"{name} {known[name].version}"))
    return found


def meets(version: str, requirement: str) -> bool:
    """Whether a version's release numbers lie within a requirement's bounds."""
    have = release(version)
    return not have or all(
        _meets(version, operator, bound) for operator, bound in _BOUND.findall(requirement)
    )


def _meets(version: str, operator: str, bound: str) -> bool:
    if operator == ">=":
        return not older(version, bound)
    if operator == "<":
        return older(version, bound)
    if operator == ">":
        return older(bound, version)
    if operator == "<=":
        return not older(bound, version)
    # Of the others only the plain ones; a wrong alarm would cost more than a missed one.
    same = not older(version, bound) and not older(bound, version)
    if "*" in bound or operator == "~=":
        return True
    return same if operator == "==" else not same
