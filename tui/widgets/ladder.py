"""The values that left and right step through on a number: powers of two, round lengths."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from engine.fields import describe

_POWERS = tuple(2**n for n in range(21))
_LENGTHS = (0, 128, 256, 512, 768, *(k * 2**n for n in range(10, 20) for k in (1, 1.5)))
_LADDERS: dict[str, Sequence[float]] = {
    "train.micro_batch": _POWERS,
    "train.accumulation": _POWERS,
    "train.rank": _POWERS,
    "train.alpha": _POWERS,
    "eval.micro_batch": (0, *_POWERS),
    "data.max_length": _LENGTHS,
    "data.eval_fraction": (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5),
    "train.dropout": (0, 0.05, 0.1, 0.2, 0.3),
    "train.weight_decay": (0, 0.01, 0.05, 0.1),
    "train.warmup": (0, 0.03, 0.05, 0.1, 10, 50, 100, 500, 1000),
}


def stepped(path: str, now: object, by: int) -> object:
    """The next (`by` 1) or earlier (-1) sensible value of a numeric setting; itself at the end."""
    if not isinstance(now, (int, float)):
        return now
    steps = _steps(path)
    if by > 0:
        found = next((value for value in steps if value > now), None)
    else:
        found = next((value for value in reversed(steps) if value < now), None)
    if found is None:
        return now
    return int(found) if describe(path).kind == "integer" else float(found)


@cache
def _steps(path: str) -> tuple[float, ...]:
    """A setting's ladder within its bounds; 1, 2, 5, 10 ... where none suits it better."""
    field = describe(path)
    low = field.low if field.low is not None else 0.0
    high = field.high if field.high is not None else 1e6
    least = 0 if field.kind == "integer" else -6
    series = [0.0, *(float(f"{k}e{n}") for n in range(least, 7) for k in (1, 2, 5))]
    if field.kind == "integer" and high <= 1000 and path not in _LADDERS:
        series = [float(n) for n in range(1001)]
    open_low, open_high = "above" in field.bounds, "below" in field.bounds
    return tuple(
        value
        for value in _LADDERS.get(path, series)
        if (low < value if open_low else low <= value)
        and (value < high if open_high else value <= high)
    )
