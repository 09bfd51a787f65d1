"""When a disk will be full at the pace at which it has been filling."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

# Checkpoints come in bursts and old ones go: only what stays over minutes is a pace.
WINDOW_S = 900.0
_LEAST_S = 60.0
_EVERY_S = 5.0
# Below this, files of other programs come and go.
_LEAST_GIB = 0.25


class Filling:
    """Remembers the free room of the last minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, float]] = deque()

    def full_in_s(self, free_gib: float | None) -> float | None:
        """Seconds until nothing is free; None while it does not fill, or is not known yet."""
        now = self._clock()
        if free_gib is None:
            self._seen.clear()
            return None
        if not self._seen or now - self._seen[-1][0] >= _EVERY_S:
            self._seen.append((now, free_gib))
        while now - self._seen[0][0] > WINDOW_S:
            self._seen.popleft()
        began, before_gib = self._seen[0]
        lost_gib = before_gib - free_gib
        if now - began < _LEAST_S or lost_gib < _LEAST_GIB:
            return None
        return free_gib * (now - began) / lost_gib
