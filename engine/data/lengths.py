"""How long rows are, and which maximum length fits them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_STEP = 64


@dataclass(frozen=True, slots=True)
class LengthAdvice:
    """A maximum length in tokens and what it cuts; percentiles are nearest-rank, in tokens."""

    max_length: int
    cut_rows: int
    cut_share: float
    longest: int
    p50: int
    p95: int
    p99: int


def suggest_max_length(
    total_lengths: Sequence[int], model_limit: int | None = None
) -> LengthAdvice:
    """The maximum length for rows of these token counts (at least one row).

    Rule: the longest row rounded up to a multiple of 64, which cuts nothing. Where that is more
    than twice the 99th percentile (rounded the same way), the percentile is taken instead: memory
    grows with the maximum, and at most one row in a hundred is cut. Never above `model_limit`.
    """
    ordered = sorted(total_lengths)
    longest = ordered[-1]
    p99 = percentile(ordered, 99)
    max_length = round_up(longest)
    if max_length > 2 * round_up(p99):
        max_length = round_up(p99)
    if model_limit:
        max_length = min(max_length, model_limit)
    return advise(ordered, max_length)


def advise(total_lengths: Sequence[int], max_length: int) -> LengthAdvice:
    """What a given maximum length does to rows of these token counts (at least one row)."""
    ordered = sorted(total_lengths)
    cut_rows = sum(length > max_length for length in ordered)
    return LengthAdvice(
        max_length=max_length,
        cut_rows=cut_rows,
        cut_share=cut_rows / len(ordered),
        longest=ordered[-1],
        p50=percentile(ordered, 50),
        p95=percentile(ordered, 95),
        p99=percentile(ordered, 99),
    )


def percentile(ordered: Sequence[int], percent: int) -> int:
    """Nearest-rank percentile of a sorted, non-empty sequence."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def round_up(length: int) -> int:
    """The next multiple of 64, which keeps matrix shapes friendly to tensor cores."""
    return max(_STEP, -(-length // _STEP) * _STEP)
