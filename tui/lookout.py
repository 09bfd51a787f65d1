"""One look at a run: everything the monitor draws, collected in a thread and frozen."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.cost.price import Price
from engine.doctor.gauges import Reading
from engine.runs.state import LIVE, Observed
from tui.draw.device_lines import device_alerts
from tui.draw.history import Curves, History, Metric, Trend
from tui.draw.pace import pace
from tui.draw.run_alerts import Alert, run_alerts
from tui.feed import Feed


@dataclass(frozen=True, slots=True)
class Seen:
    """The run, its log's end and its curves, all of one moment.

    `has_result`: it ended by itself and left something to look at.
    """

    observed: Observed
    now: float
    log: tuple[str, ...]
    trend: Trend
    curves: Curves
    has_result: bool = False

    @property
    def is_live(self) -> bool:
        return self.observed.state in LIVE


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn: the run, the box it runs on, and how a person wants to see it."""

    seen: Seen
    alerts: tuple[Alert, ...] = ()
    reading: Reading | None = None
    has_gauges: bool = False
    is_stopping: bool = False
    log_y: bool = False
    ascii_only: bool = False
    price: Price | None = None


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
            observed.state in ("finished", "stopped") and self._feed.run.result is not None,
        )


def alerts_of(seen: Seen, reading: Reading | None) -> list[Alert]:
    """Everything about a run and its box that asks for attention, the gravest first."""
    status = seen.observed.status
    left_s = pace(status).left_s
    reserved_gib = status.steps[-1].vram_reserved_gib if status.steps else math.nan
    box = device_alerts(reading, left_s=left_s, reserved_gib=reserved_gib)
    found = [*box, *run_alerts(seen.observed, seen.trend, seen.now)]
    return sorted(found, key=lambda alert: alert.severity != "fail")
