"""The state of a run: who holds its lock, then what its log says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from engine.runs.host import boot_id, host_name
from engine.runs.lock import holder
from engine.runs.reader import Reader
from engine.runs.status import Status, fold_all
from engine.runs.store import RunFolder

State = Literal["starting", "running", "finished", "stopped", "failed", "crashed", "elsewhere"]
LIVE: frozenset[State] = frozenset({"starting", "running"})
# Stages in which the work itself is done; the ones before prepare it.
_WORKING = frozenset({"train", "eval", "save", "generate", "export", "verify"})
# A foreign host whose last event is younger than this is taken to be still at work.
FRESH_S = 120.0


@dataclass(frozen=True, slots=True)
class Observed:
    """A run as seen now: its state, the sentence that explains it, and the folded log."""

    state: State
    message: str
    status: Status
    worker_pid: int


class Observer:
    """Watches one run; each `look` reads only what was appended since the last one."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self._reader = Reader(run.events)
        self._status = Status()

    def look(self) -> Observed:
        """Ask for the lock holders first, then read to the end: in the other order a worker that
        writes its last word and exits in between would look crashed."""
        worker = holder(self.run.worker_lock)
        supervisor = holder(self.run.supervisor_lock)
        while batch := self._reader.read():
            self._status = fold_all(batch, self._status)
        state, message = judge(self._status, worker, supervisor)
        return Observed(state, message, self._status, worker or 0)

    @property
    def skipped_lines(self) -> int:
        return self._reader.skipped


def observe(run: RunFolder) -> Observed:
    """The run's state, from its whole log."""
    return Observer(run).look()


def judge(status: Status, worker: int | None, supervisor: int | None) -> tuple[State, str]:
    """State and the sentence that explains it; process ids of the lock holders, None if free."""
    alive = worker is not None
    # While a supervisor starts a worker anew, the log still ends with the last attempt's ending.
    if alive and status.ending in ("", "exited"):
        first = status.started.from_step if status.started else 0
        has_stepped = bool(status.steps) and status.steps[-1].step > first
        return ("running" if has_stepped or status.stage in _WORKING else "starting"), ""
    match status.ending:
        case "finished":
            return "finished", status.finished.message if status.finished else ""
        case "stopped":
            return "stopped", status.stopped.reason if status.stopped else ""
        case "failed":
            return "failed", status.failed.message if status.failed else ""
        case "exited":
            return "crashed", status.exited.message if status.exited else ""
    if supervisor is not None:
        # Before the worker took its lock, or in the moment after it died.
        return ("starting" if status.started is None else "running"), ""
    return _gone(status)


def log_tail(run: RunFolder, lines: int = 8) -> list[str]:
    """The last non-empty lines of the worker's raw output."""
    try:
        with open(run.worker_log, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 16_384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    whole = [line.rstrip().rsplit("\r", 1)[-1] for line in text.split("\n")]
    return [line for line in whole if line][-lines:]


def _gone(status: Status) -> tuple[State, str]:
    started = status.started
    if started is None:
        return "crashed", "It ended before its worker began; the log has its last words."
    if started.host != host_name():
        age_s = time.time() - status.last_time
        return "elsewhere", (
            f"It ran on {started.host}, this is {host_name()}; its last event is {age_s:.0f} s old."
        )
    if started.boot_id and started.boot_id != boot_id():
        return "crashed", "The box was restarted while it ran."
    return "crashed", "Its worker and its supervisor are gone (killed, or the box was cleaned up)."
