"""The folder of one export: made aside, renamed when whole, so a half one never looks whole."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from engine.errors import EXIT_NO, TailfinError
from engine.export.report import REPORT, ExportedFile
from engine.runs.lock import Held, Lock

# Configs, tokenizer, card and report, and what rounding up to blocks costs.
_SLACK_BYTES = 64 * 1024**2


class ExportFolder:
    """`OUT/FORM`, written as `OUT/FORM.partial`; one process at a time."""

    def __init__(self, out: Path, form: str) -> None:
        self.final = out / form
        self.partial = out / f"{form}.partial"
        self._lock_path = out / f".{form}.lock"
        self._lock: Lock | None = None

    def begin(self) -> Path:
        """Take the place and return the empty partial folder; raises TailfinError if it cannot."""
        refuse_foreign(self.final)
        try:
            self.final.parent.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(self._lock_path)
            shutil.rmtree(self.partial, ignore_errors=True)
            self.partial.mkdir()
        except Held as held:
            raise TailfinError(
                f"Another export (process {held.pid}) is writing {self.final}.",
                "Wait for it, or export elsewhere with --out DIR.",
                where=self.final,
                exit_code=EXIT_NO,
            ) from None
        except OSError as error:
            raise TailfinError(
                f"The export folder {self.final.parent} could not be written: {error.strerror}.",
                "Name another one with --out DIR, on a volume with room.",
                where=self.final.parent,
                exit_code=EXIT_NO,
            ) from None
        return self.partial

    def publish(self) -> Path:
        """Flush every file and put the folder in place; an older export of ours goes last."""
        for path in _files(self.partial):
            # safetensors writes for the owner only; an export is there to be read by others
            path.chmod(0o644)
            _flush(path)
        old = self.final.with_name(f"{self.final.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if self.final.exists():
            self.final.rename(old)
        self.partial.rename(self.final)
        _flush(self.final.parent)
        shutil.rmtree(old, ignore_errors=True)
        self._lock_path.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.release()
        return self.final


def refuse_foreign(final: Path) -> None:
    """Raise where the place holds something that is not an export of ours."""
    if final.exists() and not (final / REPORT).is_file():
        raise TailfinError(
            f"{final} exists and is not an export of tailfin.",
            "Move it away, or export elsewhere with --out DIR.",
            where=final,
        )


def refuse_without_room(out: Path, num_bytes: int, what: str) -> None:
    """Raise where the volume under `out` has no room for so many bytes and their company."""
    existing = out
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    needed = num_bytes + _SLACK_BYTES
    if free < needed:
        raise TailfinError(
            f"The volume of {out} has {_gib(free)} GiB free; {what} needs {_gib(needed)} GiB.",
            "Free space, or export to another volume with --out DIR.",
            where=out,
            exit_code=EXIT_NO,
        )


def list_files(folder: Path, progress: Callable[[int, int], None]) -> list[ExportedFile]:
    """Every file but the report itself with size and SHA-256; `progress` gets bytes done, total."""
    paths = [path for path in _files(folder) if path.name != REPORT]
    total = sum(path.stat().st_size for path in paths)
    done, listed = 0, []
    for path in paths:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        done += size
        progress(done, total)
        listed.append(
            ExportedFile(name=str(path.relative_to(folder)), num_bytes=size, sha256=digest)
        )
    return listed


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 1024**3:.1f}"
