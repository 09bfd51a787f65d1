"""Where the monitor's picture comes from: a run as it is now, or a recorded one played again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from engine.runs.events import Event
from engine.runs.state import Observed, Observer, State, log_tail
from engine.runs.status import Status, fold
from engine.runs.store import RunFolder


class Feed(Protocol):
    """Frozen pictures of one run; `look` and `log` may block and are called in a thread."""

    @property
    def run(self) -> RunFolder: ...
    @property
    def is_replay(self) -> bool: ...
    def look(self) -> Observed:
        """The run at this moment."""
        ...

    def log(self, lines: int) -> list[str]:
        """The last lines of the worker's raw output."""
        ...


class LiveFeed:
    """A run that lives, or has ended: its folder is all that is asked."""

    is_replay = False

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self._observer = Observer(run)

    def look(self) -> Observed:
        return self._observer.look()

    def log(self, lines: int) -> list[str]:
        return log_tail(self.run, lines)


class ReplayFeed:
    """A recorded run, `speed` times as fast as it was; 0 shows its end at once.

    The log of the worker has no times, so the events stand in for it.
    """

    is_replay = True

    def __init__(
        self, run: RunFolder, *, speed: float = 20.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.run = run
        self.speed = speed
        self.is_paused = False
        self._clock = clock
        self._before = clock()
        self._played_s = 0.0
        self._events: list[Event] | None = None
        self._next = 0
        self._status = Status()
        self._last: Observed | None = None

    @property
    def at_end(self) -> bool:
        return self._events is not None and self._next >= len(self._events)

    def look(self) -> Observed:
        events = self._load()
        now = self._clock()
        if not self.is_paused:
            self._played_s += (now - self._before) * self.speed
        self._before = now
        start = events[0].time if events else 0.0
        everything = self.speed <= 0
        while self._next < len(events):
            event = events[self._next]
            if not everything and event.time - start > self._played_s:
                break
            self._status = fold(self._status, event)
            self._next += 1
        if self.at_end:
            return self._ended()
        state: State = "running" if self._status.steps else "starting"
        return Observed(state, "", self._status, 0)

    def log(self, lines: int) -> list[str]:
        return log_tail(self.run, lines) if self.at_end else []

    def pause(self) -> None:
        """Hold, or go on."""
        self.is_paused = not self.is_paused

    def faster(self, factor: float) -> None:
        """Multiply the speed, between real time and 10,000 times."""
        self.speed = min(max(self.speed * factor, 1.0), 10_000.0)

    def to_end(self) -> None:
        """Show the end at once."""
        self.speed, self.is_paused = 0.0, False

    def restart(self) -> None:
        """Play from the beginning."""
        self._next, self._played_s, self._status = 0, 0.0, Status()
        self.speed = self.speed or 20.0

    def _load(self) -> list[Event]:
        if self._events is None:
            from engine.runs.reader import read_all

            self._events = list(read_all(self.run.events))
            self._before = self._clock()  # reading a long log is not part of the play
        return self._events

    def _ended(self) -> Observed:
        """The recorded end. Whoever still holds the folder's lock is no part of the record."""
        if self._last is None or self._last.status is not self._status:
            found = Observer(self.run).look()
            self._last = Observed(found.state, found.message, self._status, 0)
        return self._last
