"""Disks: what lies where, how much room is left, and whether a bigger volume stands empty."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.doctor.facts import GIB, Box, StorageFacts, Volume
from engine.doctor.host import Host
from engine.doctor.hub import hub_cache
from engine.doctor.platform import read_platform
from engine.findings import Finding
from engine.runs.store import runs_root

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


def read_storage(host: Host) -> StorageFacts:
    """Group our places by the volume they lie on; folders not yet made count by their parent."""
    mounts = mount_points(host)
    by_mount: dict[str, list[tuple[str, str]]] = {}
    for role, path in places(host.env):
        existing = _existing(host, str(path))
        by_mount.setdefault(_mount_of(existing, mounts), []).append((role, existing))
    volumes = tuple(_volume(host, mount, members) for mount, members in by_mount.items())
    spare = tuple(
        _volume(host, path, [])
        for path in read_platform(host).volumes
        if path in mounts
        and path not in by_mount
        and (room := host.room(path)) is not None
        and room.writable
    )
    return StorageFacts(volumes, spare)


def mount_points(host: Host) -> list[str]:
    """Every mount point of this process, as /proc tells them."""
    found = re.findall(r"^\d+ \d+ \S+ \S+ (\S+) ", host.text("/proc/self/mountinfo"), re.MULTILINE)
    return [re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), path) for path in found]


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


def _existing(host: Host, path: str) -> str:
    """The path itself or its nearest parent that exists, links followed."""
    while path != "/" and not host.exists(path):
        path = os.path.dirname(path)
    return path if host.is_recorded else os.path.realpath(path)


def _mount_of(path: str, mounts: Sequence[str]) -> str:
    above = (m for m in mounts if path == m or path.startswith(m.rstrip("/") + "/"))
    return max(above, key=len, default="/")


def _volume(host: Host, mount: str, members: Sequence[tuple[str, str]]) -> Volume:
    room = host.room(members[0][1] if members else mount)
    closed = [(role, path) for role, path in members if not ((r := host.room(path)) and r.writable)]
    return Volume(
        path=mount,
        total_gib=room.total / GIB if room else 0.0,
        free_gib=room.free / GIB if room else 0.0,
        roles=tuple(role for role, _ in members),
        unwritable=tuple(closed),
    )
