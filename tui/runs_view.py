"""What home knows of each run: folder, state and the few words of its spec, read in a thread."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from time import monotonic

from engine.errors import TailfinError
from engine.runs.lock import holder
from engine.runs.skim import Skimmed, Skimmer
from engine.runs.state import LIVE, Observed
from engine.runs.status import Status
from engine.runs.store import RunFolder, all_roots, list_runs

# While a first reading goes on, the list so far is told of so soon and then so often.
_TELL_FIRST_S, _TELL_EVERY_S = 0.1, 0.5


@dataclass(frozen=True, slots=True)
class RunView:
    """One run as seen now, its status kept to what a list needs; see `Skimmed`."""

    run: RunFolder
    observed: Observed
    model: str
    data: str
    method: str
    losses: tuple[float, ...]

    @property
    def is_live(self) -> bool:
        return self.observed.state in LIVE

    @property
    def word(self) -> str:
        """Its state in a word."""
        return self.observed.state

    @property
    def max_steps(self) -> int:
        plan = self.observed.status.plan
        return plan.max_steps if plan else 0

    @property
    def last_loss(self) -> float | None:
        steps = self.observed.status.steps
        return steps[-1].loss if steps else None

    @property
    def best_loss(self) -> float | None:
        """Lowest held-out loss after training began; the base's own figure is no achievement."""
        best = self.observed.status.best
        return best.loss if best and best.step > 0 else None


@dataclass(frozen=True, slots=True)
class RunsView:
    """The runs of every folder of runs that were read so far, live ones first, then the newest.

    `unread` counts those that are still to be read.
    """

    runs: tuple[RunView, ...]
    roots: tuple[Path, ...]
    unread: int = 0


class RunsWatcher:
    """Looks at all runs; each look reads only what was appended, and keeps little of what ended."""

    def __init__(self, chosen: str | None) -> None:
        self._chosen = chosen
        self._skimmers: dict[Path, Skimmer] = {}
        self._views: dict[Path, RunView] = {}
        self._one_at_a_time = Lock()
        self._turn = 0
        self.seen: RunsView | None = None

    def look(self, tell: Callable[[RunsView], None] | None = None) -> RunsView:
        """All runs now; `tell` hears of the list while a long first reading goes on.

        May block on slow disks: call it in a thread. A look that begins ends the one before it
        early, since nobody waits for that one any more.
        """
        self._turn += 1
        turn = self._turn
        with self._one_at_a_time:
            folders = list_runs(self._chosen)
            roots = tuple(all_roots(self._chosen))
            self._forget_all_but({run.path for run in folders})
            tell_at = monotonic() + _TELL_FIRST_S
            for run in self._in_order_of_interest(folders):
                if turn != self._turn:
                    break
                self._views[run.path] = self._view(run)
                if tell is not None and monotonic() >= tell_at:
                    self.seen = self._all(folders, roots)
                    tell(self.seen)
                    tell_at = monotonic() + _TELL_EVERY_S
            self.seen = self._all(folders, roots)
            return self.seen

    def _in_order_of_interest(self, folders: list[RunFolder]) -> list[RunFolder]:
        """Live ones first, as far as their locks tell; then the newest."""
        if all(run.path in self._views for run in folders):
            return folders
        return sorted(folders, key=lambda run: not _is_held(run))

    def _all(self, folders: list[RunFolder], roots: tuple[Path, ...]) -> RunsView:
        views = [self._views[run.path] for run in folders if run.path in self._views]
        unread = len(folders) - len(views)
        return RunsView(tuple(sorted(views, key=lambda view: not view.is_live)), roots, unread)

    def _forget_all_but(self, paths: set[Path]) -> None:
        for gone in self._views.keys() - paths:
            del self._views[gone]
        for gone in self._skimmers.keys() - paths:
            del self._skimmers[gone]

    def _view(self, run: RunFolder) -> RunView:
        before = self._views.get(run.path)
        try:
            found = self._skimmers.setdefault(run.path, Skimmer(run)).look()
        except (TailfinError, OSError) as error:
            # One that cannot be read is shown too and hides no other.
            said = error.message if isinstance(error, TailfinError) else _said(run, error)
            found = Skimmed(Observed("crashed", said, Status(), 0), ())
        if before is not None and _same(before.observed, found.observed):
            return before
        if before is not None and before.model:
            return replace(before, observed=found.observed, losses=found.losses)
        return RunView(run, found.observed, *_spec_words(run), found.losses)


def _is_held(run: RunFolder) -> bool:
    try:
        return holder(run.worker_lock) is not None or holder(run.supervisor_lock) is not None
    except (TailfinError, OSError):
        return False


def _said(run: RunFolder, error: OSError) -> str:
    return f"{error.filename or run.path} could not be read: {error.strerror or error}."


def _spec_words(run: RunFolder) -> tuple[str, str, str]:
    """Model, data and method; read as plain TOML, because pydantic would cost 0.1 s here."""
    try:
        table = tomllib.loads(run.spec.read_text(encoding="utf-8"))
        return (
            str(table["model"]["path"]),
            str(table["data"]["path"]),
            str(table["train"]["method"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "", "", ""


def _same(before: Observed, after: Observed) -> bool:
    """Whether nothing changed; a log that stayed as it was gives the very same status."""
    return before.status is after.status and (before.state, before.message, before.worker_pid) == (
        after.state,
        after.message,
        after.worker_pid,
    )
