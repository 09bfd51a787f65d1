"""A screen that watches a run: looks at its folder and its box in threads, at a steady pace."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Protocol

from textual.timer import Timer

from engine.doctor.gauges import Gauges, Reading
from engine.errors import TailfinError
from tui.draw.history import METRICS
from tui.draw.run_alerts import Alert
from tui.feed import Feed
from tui.lookout import Lookout, Seen, alerts_of
from tui.panes.run_view import log_height
from tui.requests import Requests
from tui.screens.base import TailfinScreen

# A disk or driver that is silent for this long is named.
SLOW_S = 10.0


class Meter(Protocol):
    """What the box is asked through; `read` may block and is called in a thread."""

    def read(self, worker_pid: int = 0) -> Reading: ...
    def close(self) -> None: ...


class WatchingScreen(TailfinScreen):
    """Holds the newest picture of a run. Subclasses draw it (`draw`) and say what changed in kind
    (`turned`: another state, trouble, the first thing to read).

    A question that is still open is never asked twice, and the box is asked apart from the run:
    a driver that hangs must not hold up the picture. Once the run has ended it is only looked at
    now and then, to notice that somebody resumed it.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        gauges: Callable[[], Meter] | None = None,
        every_s: float = 1.0,
        ended_every_s: float = 5.0,
    ) -> None:
        super().__init__()
        self.feed = feed
        self.metric = METRICS[0]
        self.seen: Seen | None = None
        self.reading: Reading | None = None
        self.trouble: TailfinError | None = None
        self.requests = Requests()
        self.pace_s = 0.0
        self._every_s, self._ended_every_s = every_s, ended_every_s
        self._lookout = Lookout(feed)
        self._make_gauges = gauges or partial(Gauges, os.environ, path=feed.run.path)
        self._gauges: Meter | None = None
        self._gauges_turn = threading.Lock()  # only taken in threads: a driver can hang
        self._has_gone = False
        self._ticker: Timer | None = None
        self._since: dict[str, float] = {}  # question that is open -> when it was asked
        self._look_again = False
        self._before: tuple[object, ...] = ("", True, False)  # the situation that is shown

    def turned(self) -> None:
        """Keys, title and the way on may be others now."""

    @property
    def is_live(self) -> bool:
        return self.seen is not None and self.seen.is_live

    @property
    def can_act(self) -> bool:
        """Whether there is a worker that can be asked for something."""
        return self.is_live and not self.feed.is_replay and self.trouble is None

    @property
    def has_more(self) -> bool:
        """Whether there is more to read than the alert on the screen."""
        return self.seen is not None and bool(self.seen.observed.status.notices or self.alerts())

    def alerts(self) -> list[Alert]:
        """Everything that asks for attention: the link to the run first, then the run itself."""
        now = self.tailfin.clock()
        found: list[Alert] = []
        if self.trouble is not None:
            found.append(Alert("fail", self.trouble.message, self.trouble.hint))
        for question, what in (("look", "The run's folder"), ("gauges", "The GPU driver")):
            waited_s = now - self._since.get(question, now)
            if waited_s > SLOW_S:
                found.append(Alert("warn", f"{what} has not answered for {waited_s:.0f} s."))
        if said := self.requests.alert(now):
            found.append(said)
        if self.seen is not None:
            found += alerts_of(self.seen, self.reading if self.can_act else None)
        return found

    def watch_run(self) -> None:
        """Begin; called once, when the screen is there."""
        self._keep_pace()
        self._tick()

    def let_go(self) -> None:
        """End; a driver that hangs must not hold up leaving."""
        self._has_gone = True
        threading.Thread(target=self._close_gauges, name="gauges-end", daemon=True).start()

    def look_soon(self) -> None:
        """Look now, or again as soon as the look that is going on has ended."""
        if self._is_open("look"):
            self._look_again = True
        else:
            self._look()

    def inquire(self, question: str, work: Callable[[], object]) -> None:
        """Ask in a thread and remember since when."""
        self._since[question] = self.tailfin.clock()
        self.ask(question, work)

    def answered(self, question: str, value: object) -> None:
        self._since.pop(question, None)
        match value:
            case Seen() | TailfinError() if question == "look":
                self._take(value)
            case Reading():
                is_first, self.reading = self.reading is None, value
                self._turn()  # what the box warns of can be read too
                if is_first:
                    self.draw()
            case TailfinError() if question != "gauges":
                self.requests.refused(value, self.tailfin.clock())
                self.draw()
            case str():
                self.requests.asked(question, value)
                self.look_soon()

    def _tick(self) -> None:
        if not self._is_open("look"):
            self._look()
        elif self.tailfin.clock() - self._since["look"] > SLOW_S:
            self.draw()  # a disk that hangs gives no answer to draw, so the clock draws
        self._ask_gauges()

    def _look(self) -> None:
        num_lines = max(log_height(self.app.size.height), 6)
        now = self.tailfin.clock()
        self.inquire("look", partial(self._lookout.look, now, self.metric, num_lines))

    def _ask_gauges(self) -> None:
        if self.can_act and not self._is_open("gauges"):
            self.inquire("gauges", self._read_gauges)

    def _read_gauges(self) -> Reading | None:
        """One look; None once the screen has gone, and then nothing is left open."""
        with self._gauges_turn:
            if self._has_gone:
                return None
            if self._gauges is None:
                self._gauges = self._make_gauges()
            return self._gauges.read(self.seen.observed.worker_pid if self.seen else 0)

    def _close_gauges(self) -> None:
        with self._gauges_turn:
            if self._gauges is not None:
                self._gauges.close()

    def _take(self, value: Seen | TailfinError) -> None:
        if isinstance(value, Seen):
            self.trouble, self.seen = None, value
            now = self.tailfin.clock()
            self.requests.hear(value.observed.status, now, is_live=value.is_live)
        else:
            self.trouble = value
        self._turn()
        self.draw()
        if self.reading is None:
            self._ask_gauges()
        if self._look_again:
            self._look_again = False
            self._look()

    def _turn(self) -> None:
        """Follow a change of what the run is in."""
        before, self._before = self._before, self._situation()
        if before != self._before:
            self._keep_pace()
            self.turned()

    def _situation(self) -> tuple[object, ...]:
        state = self.seen.observed.state if self.seen else ""
        return state, self.trouble is None, self.has_more

    def _keep_pace(self) -> None:
        is_over = self.trouble is not None or (self.seen is not None and not self.is_live)
        every_s = self._ended_every_s if is_over else self._every_s
        if self.tailfin.options.slow_link:
            every_s = max(every_s, 2 * self._every_s)
        if every_s == self.pace_s:
            return
        self.pace_s = every_s
        if self._ticker is not None:
            self._ticker.stop()
        self._ticker = self.set_interval(every_s, self._tick)

    def _is_open(self, question: str) -> bool:
        return question in self._since
