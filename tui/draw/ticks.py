"""Ticks of an axis: round values inside a range, and their labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

_MANTISSAS = (1.0, 2.0, 2.5, 5.0, 10.0, 20.0, 25.0, 50.0)
# Beyond these a range is drawn with its two ends only: ten to its exponent would not be a float.
_LARGEST, _SMALLEST = 1e300, 1e-300
_MOST_DIGITS = 8


def nice_ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    """At most `most` round values within [low, high]; its ends where no round value is left.

    `whole` allows whole numbers only, for an axis of steps.
    """
    rough = high / most - low / most
    if not _SMALLEST < rough < _LARGEST:
        return [low, high]
    power = 10.0 ** math.floor(math.log10(rough))
    for mantissa in _MANTISSAS:
        step = mantissa * power
        if whole and step != int(step):
            continue
        first, last = math.ceil(low / step), math.floor(high / step)
        if last - first < most:
            return [i * step for i in range(first, last + 1)] or [low, high]
    return [low, high]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Powers of ten within [low, high], both above zero; between them 2 and 5 where few are."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        ticks = [f * 10.0**k for k in decades if -308 <= k < 308 for f in factors]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) >= 3:
            return inside[:: math.ceil(len(inside) / most)]
    return nice_ticks(low, high, most)


def labels(ticks: Sequence[float]) -> list[str]:
    """A text per tick, all with the same number of decimals; "" where it would repeat another.

    As few digits as tell the ticks apart and show them exactly, never more than eight decimals.
    """
    largest = max((abs(tick) for tick in ticks), default=0.0)
    plain = largest == 0 or 1e-3 <= largest < 1e5
    gap = min((largest, *(abs(b - a) for a, b in pairwise(ticks))))
    texts: list[str] = []
    for digits in range(_MOST_DIGITS + 1):
        texts = [f"{tick:.{digits}f}" if plain else _scientific(tick, digits) for tick in ticks]
        if all(
            abs(float(text) - tick) <= gap * 1e-3 for text, tick in zip(texts, ticks, strict=True)
        ):
            break
    return ["" if text in texts[:i] else text for i, text in enumerate(texts)]


def number(value: float) -> str:
    """One number with four significant digits: `0.01234`, `2e-5`, `20000`."""
    if value == int(value) and abs(value) < 1e7:
        return str(int(value))
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}"
    return _scientific(value, 3)


def _scientific(value: float, digits: int) -> str:
    """`1.5e-5` rather than `1.500e-05`."""
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"
