"""The order in which a person looks at rows: the most suspicious first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.findings import Severity

_WEIGHTS: dict[Severity, float] = {"fail": 9.0, "warn": 3.0, "info": 1.0, "ok": 0.0, "skip": 0.0}


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row by its record number, and the ids of the checks that struck it, heaviest first."""

    record: int
    weight: float
    checks: tuple[str, ...]


def order_suspects(
    hits: Mapping[str, Iterable[int]], severities: Mapping[str, Severity], num_rows: int
) -> Sequence[Suspect]:
    """Rows with a hit, heaviest first, then in file order.

    `hits` maps a check to the record numbers it struck. A check weighs by its severity, and the
    less the more rows it strikes: what half of a set has is its style.
    """
    weights: dict[str, float] = {}
    struck: dict[int, list[str]] = {}
    for check, records in hits.items():
        found = set(records)
        share = len(found) / max(num_rows, 1)
        weights[check] = _WEIGHTS[severities.get(check, "warn")] * (1 - min(share, 1.0) / 2)
        for record in found:
            struck.setdefault(record, []).append(check)
    suspects = [
        Suspect(
            record,
            sum(weights[check] for check in checks),
            tuple(sorted(checks, key=lambda check: (-weights[check], check))),
        )
        for record, checks in struck.items()
    ]
    return sorted(suspects, key=lambda one: (-one.weight, one.record))
