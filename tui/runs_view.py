"""What home knows of each run: folder, state and the few words of its spec, read in a thread."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path

from engine.errors import TailfinError
from engine.runs.state import LIVE, Observed, Observer
from engine.runs.status import Status
from engine.runs.store import RunFolder, all_roots, list_runs


@dataclass(frozen=True, slots=True)
class RunView:
    """One run as seen now; `losses` are those of its logged steps, thinned to at most 200."""

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
    """Every run of every folder of runs, newest first, and those folders."""

    runs: tuple[RunView, ...]
    roots: tuple[Path, ...]


class RunsWatcher:
    """Keeps an observer per run, so that each look reads only what was appended."""

    def __init__(self, chosen: str | None) -> None:
        self._chosen = chosen
        self._observers: dict[Path, Observer] = {}
        self._words: dict[Path, tuple[str, str, str]] = {}
        self._views: dict[Path, RunView] = {}

    def look(self) -> RunsView:
        """All runs now. May block on slow disks: call it in a thread, one call at a time."""
        folders = list_runs(self._chosen)
        found = tuple(self._view(run) for run in folders)
        kept = {run.path for run in folders}
        for gone in self._observers.keys() - kept:
            del self._observers[gone]
        return RunsView(found, tuple(all_roots(self._chosen)))

    def _view(self, run: RunFolder) -> RunView:
        observer = self._observers.setdefault(run.path, Observer(run))
        try:
            observed = observer.look()
        except TailfinError as error:
            # One that cannot be read is shown too and hides no other.
            observed = Observed("crashed", error.message, Status(), 0)
        before = self._views.get(run.path)
        if before is not None and _same(before.observed, observed):
            return before
        view = RunView(run, observed, *self._spec_words(run), _thinned(observed.status))
        self._views[run.path] = view
        return view

    def _spec_words(self, run: RunFolder) -> tuple[str, str, str]:
        """Model, data and method; read as plain TOML, because pydantic would cost 0.1 s here."""
        if run.path not in self._words:
            try:
                table = tomllib.loads(run.spec.read_text(encoding="utf-8"))
                words = (
                    str(table["model"]["path"]),
                    str(table["data"]["path"]),
                    str(table["train"]["method"]),
                )
            except (OSError, ValueError, KeyError, TypeError):
                words = ("", "", "")
            self._words[run.path] = words
        return self._words[run.path]


def _same(before: Observed, after: Observed) -> bool:
    return (before.state, before.message, before.status.seq) == (
        after.state,
        after.message,
        after.status.seq,
    )


def _thinned(status: Status, most: int = 200) -> tuple[float, ...]:
    steps = status.steps
    stride = max(1, math.ceil(len(steps) / most))
    return tuple(steps[i].loss for i in range(0, len(steps), stride))
