"""A run in what a list shows of it, read without decoding its many steps."""

from __future__ import annotations

import math
import os
import re
from array import array
from dataclasses import dataclass, replace

from engine.runs.events import Evaluated, Event, Started, Step, decode
from engine.runs.lock import holder
from engine.runs.reader import unreadable
from engine.runs.series import Series
from engine.runs.state import LIVE, Observed, judge
from engine.runs.status import Status, fold
from engine.runs.store import RunFolder

_CHUNK = 1024 * 1024
_MOST_LOSSES = 200
_CLOSING = ord("}")
# A step as `encode` writes it: number, time, step and loss.
_STEP = re.compile(
    rb'\{"v":\d+,"seq":(\d{1,15}),"time":(\d{1,12}(?:\.\d+)?),"kind":"step","step":(-?\d{1,15}),'
    rb'"epoch":[^,]+,"loss":(?:"(NaN|-?Infinity)"|(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)),'
)


@dataclass(frozen=True, slots=True)
class Skimmed:
    """A run as a list shows it; `losses` are those of its logged steps, thinned to at most 200.

    Of the status only what a list needs is kept: of the steps the last one, in which nothing but
    its number and its loss is known; the first evaluation of step 0, the best and the last one;
    the last checkpoint; no notices and no acts.
    """

    observed: Observed
    losses: tuple[float, ...]


class Skimmer:
    """Looks at one run again and again: what was appended is read, what has not changed is not.

    Of a run that has ended a few kilobytes are kept; it is read anew when its log changes.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self._course: _Course | None = None
        self._key: tuple[int, int, int] | None = None
        self._status = Status()
        self._losses: tuple[float, ...] = ()

    def look(self) -> Skimmed:
        """The run now; the status is the very same object while its log stays as it is.

        Raises TailfinError where the log cannot be read. The lock holders come first, as in
        `Observer.look`.
        """
        worker = holder(self.run.worker_lock)
        supervisor = holder(self.run.supervisor_lock)
        self._read()
        state, message = judge(self._status, worker, supervisor)
        if state not in LIVE and state != "elsewhere":
            self._course = None
        return Skimmed(Observed(state, message, self._status, worker or 0), self._losses)

    def _read(self) -> None:
        path = self.run.events
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if self._key is not None:
                self._course, self._key, self._status, self._losses = None, None, Status(), ()
            return
        except OSError as error:
            raise unreadable(path, error) from None
        try:
            stat = os.fstat(fd)
            key = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if key == self._key:
                return
            course = self._course
            if course is None or course.inode != stat.st_ino or stat.st_size < course.offset:
                course = _Course(stat.st_ino)
            course.read(fd)
        except OSError as error:
            raise unreadable(path, error) from None
        finally:
            os.close(fd)
        self._course, self._key = course, key
        self._status, self._losses = course.brief(), course.thinned()


def skim(run: RunFolder) -> Skimmed:
    """One look at a run. Raises TailfinError where it cannot be read."""
    return Skimmer(run).look()


class _Course:
    """A log as far as it was read: all but its steps folded, of those number and loss."""

    def __init__(self, inode: int) -> None:
        self.inode = inode
        self.offset = 0
        self._status = Status()
        self._steps = array("q")
        self._losses = array("d")

    def read(self, fd: int) -> None:
        """Take in every whole line from where the last reading ended."""
        rest = b""
        while chunk := os.pread(fd, _CHUNK, self.offset + len(rest)):
            lines, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                self._take(lines.split(b"\n"))
                self.offset += len(lines) + 1

    def brief(self) -> Status:
        """What the full fold says, kept to what a list needs."""
        status = self._status
        steps = [_bare_step(self._steps[-1], self._losses[-1])] if self._steps else []
        return replace(
            status,
            steps=Series(steps),
            evals=Series(_telling(status)),
            checkpoints=status.checkpoints[-1:],
            notices=(),
            acts=(),
        )

    def thinned(self) -> tuple[float, ...]:
        stride = max(1, math.ceil(len(self._losses) / _MOST_LOSSES))
        return tuple(self._losses[::stride])

    def _take(self, lines: list[bytes]) -> None:
        last: re.Match[bytes] | None = None
        for line in lines:
            match = _STEP.match(line)
            # A line that was torn off and written on holds the beginning of a second record.
            if match is None or line[-1] != _CLOSING or line.find(b"{", 1) > 0:
                if line.strip() and (event := decode(line)) is not None:
                    last = None
                    self._fold(event)
                continue
            last = match
            self._steps.append(int(match[3]))
            self._losses.append(float(match[5] or match[4]))
            if not self._status.first_time:
                self._status = replace(self._status, first_time=float(match[2]))
        if last is not None:
            self._status = replace(self._status, seq=int(last[1]), last_time=float(last[2]))

    def _fold(self, event: Event) -> None:
        body = event.body
        status = fold(self._status, event)
        if isinstance(body, Step):  # one that somebody else wrote, in another order of fields
            self._steps.append(body.step)
            self._losses.append(body.loss)
            status = replace(status, steps=Series())
        elif isinstance(body, Started):
            kept = sum(1 for number in self._steps if number <= body.from_step)
            del self._steps[kept:]
            del self._losses[kept:]
        self._status = status


def _telling(status: Status) -> list[Evaluated]:
    """The first of step 0, the best and the last one, in their order."""
    best, last = status.best, len(status.evals) - 1
    base = next((at for at, one in enumerate(status.evals) if one.step == 0), last)
    return [one for at, one in enumerate(status.evals) if at in (base, last) or one is best]


def _bare_step(number: int, loss: float) -> Step:
    nan = math.nan
    return Step(number, nan, loss, nan, nan, 0, nan, nan)
