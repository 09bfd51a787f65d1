"""Lengths of rows in a few figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.data.lengths import percentile


@dataclass(frozen=True, slots=True)
class Spread:
    """Nearest-rank percentiles of a length."""

    p50: int
    p95: int
    p99: int
    longest: int


def spread(lengths: Sequence[int]) -> Spread | None:
    """Percentiles of lengths in any unit, None for no lengths."""
    if not lengths:
        return None
    ordered = sorted(lengths)
    return Spread(
        percentile(ordered, 50), percentile(ordered, 95), percentile(ordered, 99), ordered[-1]
    )
