"""One look at a run: everything the monitor draws, collected in a thread and frozen."""

from __future__ import annotations

from dataclasses import dataclass

from engine.runs.state import Observed
from tui.draw.history import Curves, History, Metric, Trend
from tui.feed import Feed


@dataclass(frozen=True, slots=True)
class Seen:
    """The run, its log's end and its curves, all of one moment."""

    observed: Observed
    now: float
    log: tuple[str, ...]
    trend: Trend
    curves: Curves


class Lookout:
    """Looks at one feed; never from two threads at once."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._history = History()

    def look(self, now: float, metric: Metric, num_lines: int) -> Seen:
        """May block on a slow disk; raises TailfinError where the run cannot be read."""
        observed = self._feed.look()
        self._history.update(observed.status)
        return Seen(
            observed,
            self._feed.moment(now),
            tuple(self._feed.log(num_lines)),
            self._history.trend(),
            self._history.curves(metric),
        )
