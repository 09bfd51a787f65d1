"""Where the monitor's picture comes from: a run as it is now, or a recorded one played again."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from engine.errors import EXIT_NO, TailfinError
from engine.runs.events import Event
from engine.runs.state import Observed, Observer, State, log_tail
from engine.runs.status import Status, fold
from engine.runs.store import RunFolder

SLOWEST, FASTEST = 1.0, 10_000.0
# Lines of a recorded run's log that are kept for the tail.
_LOG_LINES = 100


class Feed(Protocol):
    """Frozen pictures of one run; `look` and `log` may block and are called in a thread."""

    @property
    def run(self) -> RunFolder: ...
    @property
    def is_replay(self) -> bool: ...
    def look(self) -> Observed:
        """The run at this moment; raises TailfinError where it cannot be read."""
        ...

    def log(self, lines: int) -> list[str]:
        """The last lines of the worker's raw output."""
        ...

    def moment(self, now: float) -> float:
        """The unix time that the picture shows, given the one it is."""
        ...


class LiveFeed:
    """A run that lives, or has ended: its folder is all that is asked."""

    is_replay = False

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self._observer = Observer(run)

    def look(self) -> Observed:
        if not self.run.path.is_dir():
            raise TailfinError(
                f"The run's folder is gone: {self.run.path}",
                "It was removed or moved, or its volume was taken away. Esc goes home.",
                where=self.run.path,
                exit_code=EXIT_NO,
            )
        return self._observer.look()

    def log(self, lines: int) -> list[str]:
        return log_tail(self.run, lines)

    def moment(self, now: float) -> float:
        return now


class ReplayFeed:
    """A recorded run, `speed` times as fast as it was; 0 shows its end at once.

    The log of the worker has no times, so the events stand in for it. The keys that steer it are
    pressed in one thread while another one looks: a lock keeps the two apart.
    """

    is_replay = True

    def __init__(
        self, run: RunFolder, *, speed: float = 20.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.run = run
        self._lock = threading.Lock()
        self._speed = min(max(speed, SLOWEST), FASTEST) if speed > 0 else 20.0
        self._is_paused = False
        self._wants_end = speed <= 0
        self._clock = clock
        self._before = clock()
        self._played_s = 0.0
        self._events: list[Event] | None = None
        self._next = 0
        self._status = Status()
        self._lines: deque[str] = deque(maxlen=_LOG_LINES)

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    @property
    def at_end(self) -> bool:
        """Whether everything that was recorded is shown."""
        return self._events is not None and self._next >= len(self._events)

    def look(self) -> Observed:
        with self._lock:
            events = self._load()
            self._play(events)
            if self._next >= len(events):
                return self._ended()
            state: State = "running" if self._status.steps else "starting"
            return Observed(state, "", self._status, 0)

    def log(self, lines: int) -> list[str]:
        return list(self._lines)[-lines:] if lines > 0 else []

    def moment(self, now: float) -> float:
        events = self._events or []
        if not events:
            return now
        return min(events[0].time + self._played_s, events[-1].time)

    def pause(self) -> None:
        """Hold, or go on."""
        with self._lock:
            self._pass_time()
            self._is_paused = not self._is_paused

    def faster(self, factor: float) -> None:
        """Multiply the speed, between real time and 10,000 times."""
        with self._lock:
            self._pass_time()
            self._speed = min(max(self._speed * factor, SLOWEST), FASTEST)

    def to_end(self) -> None:
        """Show the end at once."""
        with self._lock:
            self._wants_end, self._is_paused = True, False

    def restart(self) -> None:
        """Play from the beginning."""
        with self._lock:
            self._next, self._played_s, self._status = 0, 0.0, Status()
            self._wants_end = self._is_paused = False
            self._before = self._clock()
            self._lines.clear()

    def _load(self) -> list[Event]:
        if not self._events:  # also anew after nothing was found
            from engine.runs.reader import read_all

            self._events = read_all(self.run.events)
            if not self._events:
                raise TailfinError(
                    f"Nothing is recorded in {self.run.events}.",
                    "Name the folder of a run that has an events.jsonl.",
                    where=self.run.events,
                )
            self._before = self._clock()  # reading a long log is not part of the play
        return self._events

    def _play(self, events: list[Event]) -> None:
        from tui.draw.event_line import event_line

        self._pass_time()
        if self._wants_end:
            self._played_s = max(self._played_s, events[-1].time - events[0].time)
        until = events[0].time + self._played_s
        while self._next < len(events) and (self._wants_end or events[self._next].time <= until):
            event = events[self._next]
            self._status = fold(self._status, event)
            if text := event_line(event.body):
                self._lines.append(text)
            self._next += 1

    def _pass_time(self) -> None:
        now = self._clock()
        if not self._is_paused:
            self._played_s += max(now - self._before, 0.0) * self._speed
        self._before = now

    def _ended(self) -> Observed:
        """The recorded end. Whoever still holds the folder's lock is no part of the record."""
        state, message = _ending(self._status)
        return Observed(state, message, self._status, 0)


def _ending(status: Status) -> tuple[State, str]:
    match status.ending:
        case "finished":
            return "finished", status.finished.message if status.finished else ""
        case "stopped":
            return "stopped", status.stopped.reason if status.stopped else ""
        case "failed":
            return "failed", status.failed.message if status.failed else ""
        case "exited":
            return "crashed", status.exited.message if status.exited else ""
    return "crashed", "The recording ends here; the run left no last word."
