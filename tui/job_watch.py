"""The jobs of a run as a screen sees them: the one at work, or how the newest one ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.runs.state import LIVE, Observed, Observer, log_tail
from engine.runs.store import RunFolder

# What a worker is called in words, by the name its folder ends with.
_CALLED = {"evaluate": "comparison", "export": "export"}
# Older jobs than these cannot still be at work unless somebody started a great many at once.
_NEWEST = 12
_LOG_LINES = 6


@dataclass(frozen=True, slots=True)
class JobView:
    """One job at one moment; `log` are the last lines of its raw output."""

    job: RunFolder
    kind: str
    observed: Observed
    log: tuple[str, ...]

    @property
    def is_live(self) -> bool:
        return self.observed.state in LIVE

    @property
    def called(self) -> str:
        """The job in a word."""
        return _CALLED.get(self.kind, self.kind)


class JobWatcher:
    """Watches the jobs of one run; `look` may block on a slow disk: one call at a time."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._observers: dict[Path, Observer] = {}

    def look(self) -> JobView | None:
        """The newest job that is at work, else the newest one; None where there is none."""
        newest: JobView | None = None
        for job in self._newest_folders():
            observed = self._observers.setdefault(job.path, Observer(job)).look()
            view = JobView(job, _kind(job, observed), observed, ())
            if view.is_live or newest is None:
                newest = view
            if view.is_live:
                break
        if newest is None or newest.observed.state == "finished":
            return newest
        log = tuple(log_tail(newest.job, _LOG_LINES))
        return JobView(newest.job, newest.kind, newest.observed, log)

    def _newest_folders(self) -> list[RunFolder]:
        try:
            paths = [path for path in self._run.jobs.iterdir() if path.is_dir()]
        except OSError:
            return []
        newest = sorted(paths, key=lambda path: path.name, reverse=True)[:_NEWEST]
        return [RunFolder(path) for path in newest if RunFolder(path).events.exists()]


def _kind(job: RunFolder, observed: Observed) -> str:
    """What the job does: its own word, or the last part of 20261123-182704-export."""
    started = observed.status.started
    if started is not None:
        return started.job
    parts = job.id.split("-")
    return parts[2] if len(parts) > 2 else job.id
