"""Disks: what lies where, how much room is left, and whether a bigger volume stands empty."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.doctor.facts import GIB, Box, StorageFacts, Volume
from engine.doctor.hub import hub_cache
from engine.findings import Finding
from engine.runs.store import PERSISTENT, runs_root

MIN_FREE_GIB = 2.0
# A 7B model's weights in 16 bits, its adapter and two checkpoints.
COMFORT_GIB = 20.0

CACHE, RUNS, TEMPORARY, SYSTEM = "model cache", "runs", "temporary files", "system"


def places(env: Mapping[str, str]) -> list[tuple[str, Path]]:
    """What tailfin writes, and where."""
    return [
        (CACHE, hub_cache(env)),
        (RUNS, runs_root(env.get("TAILFIN_RUNS"))),
        (TEMPORARY, Path(env.get("TMPDIR") or tempfile.gettempdir())),
        (SYSTEM, Path("/")),
    ]


def read_storage(
    used: Sequence[tuple[str, Path]], candidates: Sequence[str] = PERSISTENT
) -> StorageFacts:
    """Group places by the volume they lie on; folders not yet made count by their parent."""
    by_device: dict[int, list[tuple[str, Path]]] = {}
    for role, path in used:
        existing = _existing(path)
        by_device.setdefault(existing.stat().st_dev, []).append((role, existing))
    volumes = tuple(_volume(members) for members in by_device.values())
    spare = tuple(
        _volume([("", Path(path))])
        for path in candidates
        if os.path.ismount(path)
        and os.access(path, os.W_OK)
        and os.stat(path).st_dev not in by_device
    )
    return StorageFacts(volumes, spare)


def check_room(box: Box) -> list[Finding]:
    """Free room per volume."""
    findings = []
    for volume in box.storage.volumes:
        holds = ", ".join(volume.roles)
        message = f"{volume.free_gib:.1f} of {volume.total_gib:.0f} GiB free for: {holds}."
        own = {CACHE, RUNS} & set(volume.roles)
        fix = (
            "Delete what is not needed, or move it: export HF_HOME=... TAILFIN_RUNS=... TMPDIR=..."
        )
        if own and volume.free_gib < MIN_FREE_GIB:
            findings.append(Finding("disk.full", "fail", message, fix, volume.path))
        elif (own and volume.free_gib < COMFORT_GIB) or volume.free_gib < MIN_FREE_GIB:
            findings.append(Finding("disk.low", "warn", message, fix, volume.path))
        else:
            findings.append(Finding("disk", "ok", message, where=volume.path))
    return findings


def check_writable(box: Box) -> list[Finding]:
    """Places tailfin must write and may not."""
    variables = {CACHE: "HF_HOME", RUNS: "TAILFIN_RUNS", TEMPORARY: "TMPDIR"}
    return [
        Finding(
            "disk.read-only",
            "fail",
            f"The folder for {role} may not be written, or is none.",
            f"export {variables[role]}=/a/folder/you/may/write",
            path,
        )
        for volume in box.storage.volumes
        for role, path in volume.unwritable
        if role in variables
    ]


def check_bigger_volume(box: Box) -> list[Finding]:
    """A cramped cache beside a big volume that stands empty (the commonest full disk on rent)."""
    if not box.storage.spare:
        return []
    spare = max(box.storage.spare, key=lambda volume: volume.free_gib)
    for volume in box.storage.volumes:
        if CACHE in volume.roles and volume.free_gib < min(COMFORT_GIB * 2, spare.free_gib / 2):
            message = (
                f"The model cache has {volume.free_gib:.1f} GiB left while {spare.path} has "
                f"{spare.free_gib:.0f} GiB free."
            )
            fix = f"export HF_HOME={spare.path}/hf TMPDIR={spare.path}/tmp && mkdir -p $TMPDIR"
            return [Finding("disk.bigger-volume", "warn", message, fix, volume.path)]
    return []


CHECKS = (check_room, check_writable, check_bigger_volume)


def _existing(path: Path) -> Path:
    """The path itself or its nearest parent that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _volume(members: Sequence[tuple[str, Path]]) -> Volume:
    usage = shutil.disk_usage(members[0][1])
    return Volume(
        path=str(_mount_point(members[0][1])),
        total_gib=usage.total / GIB,
        free_gib=usage.free / GIB,
        roles=tuple(role for role, _ in members if role),
        unwritable=tuple((role, str(path)) for role, path in members if role and not _takes(path)),
    )


def _takes(path: Path) -> bool:
    """Whether something can be made in it."""
    return path.is_dir() and os.access(path, os.W_OK | os.X_OK)


def _mount_point(path: Path) -> Path:
    path = path.resolve()
    while not os.path.ismount(path) and path != path.parent:
        path = path.parent
    return path
