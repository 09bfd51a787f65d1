"""Run folders: where they live, how one is made, found and laid out."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import TailfinError
from engine.persistent import HOLDERS, PERSISTENT


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The layout of one run or job; every path in the product comes from here."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def is_job(self) -> bool:
        """Whether this is a job of a run, such as an export, and not a training."""
        return self.path.parent.name == "jobs"

    @property
    def spec(self) -> Path:
        return self.path / "spec.toml"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def worker_log(self) -> Path:
        return self.path / "worker.log"

    @property
    def supervisor_log(self) -> Path:
        return self.path / "supervisor.log"

    @property
    def worker_lock(self) -> Path:
        return self.path / "worker.lock"

    @property
    def supervisor_lock(self) -> Path:
        return self.path / "supervisor.lock"

    @property
    def jobs_lock(self) -> Path:
        """Held while a job of this run is being started."""
        return self.path / "jobs.lock"

    @property
    def control(self) -> Path:
        return self.path / "control"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def adapter(self) -> Path:
        """The delivered adapter (lora, qlora)."""
        return self.path / "adapter"

    @property
    def model(self) -> Path:
        """The delivered whole model (full, freeze)."""
        return self.path / "model"

    @property
    def held_out(self) -> Path:
        """The held-out rows as OpenAI messages, kept so that every verdict uses the same ones."""
        return self.path / "held_out.jsonl"

    @property
    def rows_record(self) -> Path:
        """Number and hash of the rows the run began with."""
        return self.path / "rows.txt"

    @property
    def exports(self) -> Path:
        return self.path / "exports"

    @property
    def report(self) -> Path:
        return self.path / "report"

    @property
    def jobs(self) -> Path:
        return self.path / "jobs"

    @property
    def result(self) -> Path | None:
        """What was delivered, or None while nothing was."""
        return next((p for p in (self.adapter, self.model) if p.is_dir()), None)

    def exists(self) -> bool:
        return self.events.exists() or self.spec.exists()

    @property
    def has_run(self) -> bool:
        """Whether something here was made by a run, and not only a spec by a person."""
        worker = (self.worker_log, self.worker_lock)
        supervisor = (self.supervisor_log, self.supervisor_lock)
        if any(path.exists() for path in (self.events, *worker, *supervisor)):
            return True
        return self.spec.exists() and self.control.is_dir()  # just made


def runs_root(chosen: str | None = None) -> Path:
    """Where new runs go: flag, TAILFIN_RUNS, the biggest persistent volume, the current folder.

    Never raises; asks the disks, so it may take as long as a dead network volume does.
    """
    if named := chosen or os.environ.get("TAILFIN_RUNS"):
        return _resolved(named)
    volumes = [Path(p) for p in _persistent() if os.path.ismount(p) and os.access(p, os.W_OK)]
    if volumes:
        return max(volumes, key=_size) / "tailfin" / "runs"
    return _here() / "runs"


def possible_roots(chosen: str | None = None) -> list[Path]:
    """Every folder that may come to hold runs, the one for new runs first."""
    candidates = [runs_root(chosen), _here() / "runs"]
    candidates += [Path(p) / "tailfin" / "runs" for p in _persistent()]
    return list(dict.fromkeys(_resolved(path) for path in candidates))


def all_roots(chosen: str | None = None) -> list[Path]:
    """Those of them that are there."""
    return [path for path in possible_roots(chosen) if os.path.isdir(path)]


def list_runs(chosen: str | None = None) -> list[RunFolder]:
    """Every run in every root, newest first."""
    folders = [
        RunFolder(path)
        for root in all_roots(chosen)
        for path in root.iterdir()
        if path.is_dir() and RunFolder(path).exists()
    ]
    return sorted(folders, key=lambda run: run.id, reverse=True)


def find_run(wanted: str, chosen: str | None = None) -> RunFolder:
    """A run by id, unique beginning or ending of an id, path, or the word `last`.

    A word without a slash is a path only where no id answers to it: a folder that happens to lie
    in the current one must not stand in for a run.
    """
    as_path = RunFolder(Path(os.path.expanduser(wanted)))
    if "/" in wanted and as_path.has_run:
        return RunFolder(as_path.path.resolve())
    runs = list_runs(chosen)
    roots = ", ".join(str(root) for root in all_roots(chosen)) or "no runs folder"
    if wanted == "last" and runs:
        return runs[0]
    exact = [run for run in runs if run.id == wanted]
    near = exact or [r for r in runs if r.id.startswith(wanted) or r.id.endswith(f"-{wanted}")]
    if len(near) == 1:
        return near[0]
    if near:
        names = ", ".join(run.id for run in near[:5])
        raise TailfinError(
            f"'{wanted}' names {len(near)} runs: {names}.", "Write more of the id.", where=wanted
        )
    if as_path.has_run:
        return RunFolder(as_path.path.resolve())
    raise TailfinError(
        f"There is no run '{wanted}' in {roots}.",
        "List them with: tailfin runs list (--runs DIR names another folder).",
        where=wanted,
    )


def name_of(run: RunFolder, roots: Collection[Path] | None = None) -> str:
    """The word that names it on any command line, quoted for a shell: an id, or else its path.

    Only what lies in one of `possible_roots` is found by its id. With those given, no disk is
    asked; the path must be without links then, as that of a run that was found is.
    """
    parent = Path(os.path.realpath(run.path.parent)) if roots is None else run.path.parent
    is_known = parent in (possible_roots() if roots is None else roots)
    return shlex.quote(run.id if is_known and not run.is_job else str(run.path))


def create_run(name: str, chosen: str | None = None) -> RunFolder:
    """Make a new, empty run folder with an id from the date and the name."""
    root = runs_root(chosen)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name) or "run"
    try:
        root.mkdir(parents=True, exist_ok=True)
        for count in range(1, 1000):
            run = RunFolder(root / (f"{stamp}-{safe}" if count == 1 else f"{stamp}-{safe}-{count}"))
            try:
                run.path.mkdir()
            except FileExistsError:
                continue
            run.control.mkdir()
            return run
    except OSError as error:
        raise TailfinError(
            f"The runs folder {root} could not be written: {error.strerror}.",
            "Name another one with --runs DIR or TAILFIN_RUNS, on a volume with room.",
            where=root,
            exit_code=1,
        ) from None
    raise AssertionError("a thousand runs in one second")


def _persistent() -> list[str]:
    """The volumes by name, and what is mounted below those that hold others."""
    found = list(PERSISTENT)
    for holder in HOLDERS:
        if holder in found:
            with suppress(OSError):
                found += [f"{holder}/{name}" for name in sorted(os.listdir(holder))]
    return found


def _here() -> Path:
    """The current folder; where that was removed, the path it had for the shell."""
    try:
        return Path.cwd()
    except OSError:
        return Path(os.environ.get("PWD") or "/")


def _resolved(path: str | Path) -> Path:
    """Absolute and without links. Those of pathlib raise: no such user, no current folder."""
    return Path(os.path.realpath(_here() / os.path.expanduser(path)))


def _size(volume: Path) -> int:
    try:
        found = os.statvfs(volume)
    except OSError:  # a network volume that was cut off
        return 0
    return found.f_blocks * found.f_frsize
