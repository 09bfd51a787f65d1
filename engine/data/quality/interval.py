"""How sure a share is that was counted in a sample."""

from __future__ import annotations

from math import sqrt

# The two-sided 95 % point of the normal distribution.
_Z = 1.959963984540054


def wilson(num_found: int, num_seen: int, z: float = _Z) -> tuple[float, float]:
    """Lower and upper bound of the share behind `num_found` of `num_seen` drawn at random.

    Wilson's score interval without continuity correction, 95 % with the default `z`; it keeps
    within 0 and 1 and says something useful where nothing was found. (0, 1) where none was seen.
    """
    assert 0 <= num_found <= num_seen
    if not num_seen:
        return 0.0, 1.0
    share = num_found / num_seen
    square = z * z
    centre = share + square / (2 * num_seen)
    reach = z * sqrt(share * (1 - share) / num_seen + square / (4 * num_seen**2))
    scale = 1 + square / num_seen
    # At the ends the bound is exact, and rounding must not say less.
    low = 0.0 if not num_found else (centre - reach) / scale
    high = 1.0 if num_found == num_seen else (centre + reach) / scale
    return low, high
