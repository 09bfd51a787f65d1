"""A disk that is full: which one, what lies on it of ours, and how to make room."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.persistent import PERSISTENT
from engine.runs.actions import Action, resume_action, shell_action
from engine.runs.checkpoints import candidates
from engine.runs.lock import holder
from engine.runs.store import RunFolder, name_of

_GIB = 2**30
# Python names the file; torch and safetensors do not.
_NAMED = re.compile(r"\[Errno (?:28|122)\][^:\n]*: '([^'\n]+)'")
# Older runs beside this one that are measured; a runs folder may hold hundreds.
_MOST_RUNS = 20


@dataclass(frozen=True, slots=True)
class FullDisk:
    """The volume that was full as it is now, and the bytes of this run on it."""

    mount: str
    free_bytes: int
    total_bytes: int
    run_bytes: int
    checkpoint_bytes: int
    num_checkpoints: int


def look_at_disk(run: RunFolder, texts: Iterable[str], phase: str) -> FullDisk | None:
    """The volume of the file a text names, else of what the phase writes; None if unreadable."""
    try:
        place = _written(run, texts, phase)
        usage = shutil.disk_usage(place)
        folders = candidates(run.checkpoints)
        return FullDisk(
            mount=str(_mount_point(place)),
            free_bytes=usage.free,
            total_bytes=usage.total,
            run_bytes=folder_bytes(run.path),
            checkpoint_bytes=sum(folder_bytes(folder) for folder in folders),
            num_checkpoints=len(folders),
        )
    except OSError:
        return None


def folder_bytes(folder: Path) -> int:
    """Bytes of the files below a folder, each once however many names it has."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                stat = os.lstat(os.path.join(root, name))
            except OSError:
                continue
            if (stat.st_dev, stat.st_ino) not in seen:
                seen.add((stat.st_dev, stat.st_ino))
                total += stat.st_blocks * 512
    return total


def disk_actions(run: RunFolder, disk: FullDisk | None, keep: int) -> tuple[Action, ...]:
    """Make room and resume; `keep` is how many checkpoints the run keeps now."""
    actions = []
    mount = shlex.quote(disk.mount) if disk else shlex.quote(str(run.path))
    if disk and (oldest := _biggest_other(run)):
        other, num_bytes = oldest
        command = f"tailfin runs rm {name_of(other)}"
        says = f"Remove the run {other.id} for good ({num_bytes / _GIB:.2f} GiB)"
        actions.append(shell_action(says, command))
    find = f"du -xh --max-depth=3 {mount} 2>/dev/null | sort -h | tail -20"
    actions.append(shell_action("See what takes the room", find))
    plain = resume_action(run, "Resume, once there is room")
    if keep > 1:
        fewer = resume_action(
            run,
            f"Resume, once there is room, and keep 1 checkpoint beside the best, not {keep}",
            {"save.keep": "1"},
        )
        plain, actions = fewer, [*actions, plain]
    if disk and (spare := _spare_volume(run, disk)):
        target = Path(spare) / "tailfin" / "runs"
        moved = shlex.quote(str(target / run.id))
        command = (
            f"mkdir -p {shlex.quote(str(target))} && cp -a {shlex.quote(str(run.path))} {moved} "
            f"&& tailfin resume {moved}"
        )
        free = shutil.disk_usage(spare).free / _GIB
        actions.insert(0, shell_action(f"Move it to {spare} ({free:.1f} GiB free)", command))
    return (plain, *actions)


def _written(run: RunFolder, texts: Iterable[str], phase: str) -> Path:
    for text in texts:
        named = _NAMED.findall(text)
        if named and os.path.isabs(named[-1]):
            return _existing(Path(named[-1]))
    if phase == "download":
        from engine.hub.cache import cache_root

        return _existing(cache_root())
    return run.path


def _existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _mount_point(path: Path) -> Path:
    path = path.resolve()
    while not os.path.ismount(path) and path != path.parent:
        path = path.parent
    return path


def _biggest_other(run: RunFolder) -> tuple[RunFolder, int] | None:
    """The ended run beside this one that holds most, among the latest."""
    try:
        beside = sorted(run.path.parent.iterdir(), reverse=True)
    except OSError:
        return None
    others = [RunFolder(path) for path in beside if path.is_dir() and path != run.path]
    ended = [
        other
        for other in others[:_MOST_RUNS]
        if other.has_run
        and all(holder(lock) is None for lock in (other.worker_lock, other.supervisor_lock))
    ]
    sizes = [(folder_bytes(other.path), other) for other in ended]
    if not sizes:
        return None
    num_bytes, biggest = max(sizes, key=lambda pair: pair[0])
    return biggest, num_bytes


def _spare_volume(run: RunFolder, disk: FullDisk) -> str:
    """A bigger volume that is mounted, may be written and has room for this run twice."""
    device = os.stat(run.path).st_dev
    for path in PERSISTENT:
        if not os.path.ismount(path) or not os.access(path, os.W_OK):
            continue
        if os.stat(path).st_dev != device and shutil.disk_usage(path).free > 2 * disk.run_bytes:
            return path
    return ""
