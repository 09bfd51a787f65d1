"""Checkpoints: one counts when its manifest, written last, says so."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"^checkpoint-(\d+)$")
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint: its folder, the step it was made at, its size."""

    path: Path
    step: int
    num_bytes: int


def write_manifest(folder: Path, step: int) -> Checkpoint:
    """List every file with size and hash, flushed to disk; from then on the checkpoint counts."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            _flush(path)
            files[str(path.relative_to(folder))] = {
                "bytes": path.stat().st_size,
                "sha256": _sha256(path),
            }
    draft = folder / f".{MANIFEST}"
    with open(draft, "w", encoding="utf-8") as file:
        json.dump({"v": 1, "step": step, "files": files}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder / MANIFEST)
    return Checkpoint(folder, step, sum(int(str(f["bytes"])) for f in files.values()))


def read_checkpoint(folder: Path, *, hashes: bool = True) -> Checkpoint | None:
    """The checkpoint in a folder, or None where it was cut short: no manifest, a missing file,
    a wrong size or (slow for gigabytes) a wrong hash."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        step = int(manifest["step"])
        total = 0
        for name, facts in manifest["files"].items():
            path = folder / name
            size = int(facts["bytes"])
            if path.stat().st_size != size:
                return None
            if hashes and _sha256(path) != facts["sha256"]:
                return None
            total += size
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Checkpoint(folder, step, total)


def last_checkpoint(folder: Path) -> Checkpoint | None:
    """The latest whole checkpoint; earlier ones are not even read when it is whole."""
    for path in candidates(folder):
        checkpoint = read_checkpoint(path)
        if checkpoint is not None:
            return checkpoint
    return None


def candidates(folder: Path) -> list[Path]:
    """Every checkpoint folder, whole or not, latest step first."""
    try:
        paths = [path for path in folder.iterdir() if _NAME.match(path.name)]
    except OSError:
        return []
    return sorted(paths, key=lambda path: int(path.name.rsplit("-", 1)[1]), reverse=True)


def prune(folder: Path, *, keep: int, best_step: int) -> list[Checkpoint]:
    """Remove whole checkpoints beyond the `keep` latest, never the best one; returns the removed.

    The manifest goes first, so that a removal cut short leaves nothing that looks whole.
    """
    removed = []
    with_manifest = [path for path in candidates(folder) if (path / MANIFEST).is_file()]
    for path in with_manifest[keep:]:
        step = int(path.name.rsplit("-", 1)[1])
        if step != best_step:
            (path / MANIFEST).unlink()
            shutil.rmtree(path, ignore_errors=True)
            removed.append(Checkpoint(path, step, 0))
    return removed


def discard_beyond(folder: Path, step: int) -> list[Path]:
    """Remove what cannot be continued from: folders without a manifest (a save cut short) and
    those later than `step`, the latest whole one (damaged, or they would have been chosen)."""
    gone = [
        path
        for path in candidates(folder)
        if not (path / MANIFEST).is_file() or int(path.name.rsplit("-", 1)[1]) > step
    ]
    for path in gone:
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)
    return gone


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
