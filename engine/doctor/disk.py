"""What is wrong with the disks: full, small beside a big one, closed, or of an unfit kind."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from engine.doctor.facts import Box, StorageFacts, Volume
from engine.doctor.move import COMFORT_GIB, list_words, move, roomiest, size
from engine.doctor.platform import VAST
from engine.doctor.storage import CACHE, COMPILED, RUNS, SYSTEM, TEMPORARY
from engine.findings import Finding, Severity

MIN_FREE_GIB = 2.0
# Compilers and installers stop at once below this.
_NOTHING_GIB = 0.25
_MIN_FILES = 1000
_FEW_FILES = 20_000
_OURS = (CACHE, RUNS, TEMPORARY, COMPILED)

_FULL_WHY = (
    "Downloads, checkpoints and compiled kernels end with 'No space left on device', and a run is "
    "lost in the middle of its first checkpoint."
)
_LOW_WHY = (
    "The 16-bit weights of a 7B model take about 15 GiB, and checkpoints and a merged model come "
    "on top: this volume fills up in the middle of a download or a run."
)


def check_writable(box: Box) -> list[Finding]:
    """Places that must be written and may not be: one cause, one finding."""
    storage = box.storage
    closed = {
        role: path
        for volume in storage.volumes
        for role, path in volume.unwritable
        if role in _OURS
    }
    if not closed:
        return []
    away = {volume.path for volume in storage.volumes if volume.read_only}
    target = roomiest(storage, away, 1.0)
    fix = move(storage, closed, target) if target else _say_where(storage, closed)
    what = list_words([f"{role} ({path})" for role, path in closed.items()])
    read_only = sorted(volume.path for volume in storage.volumes if volume.read_only)
    mounted = f" {list_words(read_only)} is mounted read-only." if read_only else ""
    message = f"Nothing can be written to the folder for {what}.{mounted}"
    only_compiled = set(closed) == {COMPILED}
    why = (
        "Triton compiles kernels at the first step and keeps them there: it fails without."
        if only_compiled
        else "The first thing that is downloaded, compiled or saved ends with a permission error."
    )
    first = next(iter(closed.values()))
    return [
        Finding(
            "disk.read-only",
            "warn" if only_compiled else "fail",
            message,
            fix,
            first,
            why,
            safe=_is_safe(fix),
        )
    ]


def check_room(box: Box) -> list[Finding]:
    """Free room and free files per volume, and a bigger volume that stands empty beside it."""
    return [
        finding
        for volume in box.storage.volumes
        if not volume.read_only
        for finding in _room(box, volume)
    ]


def check_kind(box: Box) -> list[Finding]:
    """Volumes that are no plain disk: in memory, over the network, or objects in a store."""
    findings = []
    for volume in box.storage.volumes:
        ours = [role for role in volume.roles if role in (CACHE, RUNS)]
        if volume.kind == "memory" and ours:
            findings.append(_in_memory(box, volume, ours))
        elif volume.kind == "memory" and TEMPORARY in volume.roles:
            findings.append(_temporary_in_memory(volume))
        elif volume.kind == "objects" and ours:
            findings.append(_objects(box, volume, ours))
        elif volume.kind == "network" and ours:
            findings.append(_network(volume, ours))
    return findings


def check_noexec(box: Box) -> list[Finding]:
    """Compiled kernels are libraries: they cannot be loaded from a volume mounted noexec."""
    findings = []
    for volume in box.storage.volumes:
        roles = [role for role in volume.roles if role in (COMPILED, TEMPORARY)]
        if not volume.noexec or not roles:
            continue
        away = {each.path for each in box.storage.volumes if each.noexec}
        target = roomiest(box.storage, away, 1.0, runs=True)
        fix = move(box.storage, roles, target) if target else _remount(volume)
        findings.append(
            Finding(
                "disk.noexec",
                "warn",
                f"{volume.path} is mounted noexec and holds {list_words(roles)}.",
                fix,
                volume.path,
                "Triton and torch.compile build libraries there and load them: that fails with "
                "'failed to map segment from shared object'.",
                safe=_is_safe(fix),
            )
        )
    return findings


def _room(box: Box, volume: Volume) -> list[Finding]:
    holds = list_words(volume.roles) if volume.roles else "nothing of tailfin's"
    if not volume.total_gib:
        said = f"The room on {volume.path} could not be read."
        return [Finding("disk.unknown", "skip", said, where=volume.path)]
    roles = set(volume.roles)
    own = bool({CACHE, RUNS} & roles)
    if volume.files_free is not None and volume.files_free < _FEW_FILES and roles - {SYSTEM}:
        return [_no_files(box, volume)]
    is_full = own and volume.free_gib < MIN_FREE_GIB
    no_room = volume.free_gib < _NOTHING_GIB
    bigger = _bigger(box.storage, volume)
    message = f"{size(volume.free_gib)} of {size(volume.total_gib)} free on {volume.path}: {holds}."
    if bigger and (is_full or no_room or volume.free_gib < COMFORT_GIB):
        message = message[:-1] + f", while {bigger.path} has {size(bigger.free_gib)} free."
    if is_full or (no_room and roles & {TEMPORARY, COMPILED}):
        return [_short("disk.full", "fail", box, volume, message, _FULL_WHY, bigger)]
    if own and volume.free_gib < COMFORT_GIB:
        name = "disk.bigger-volume" if bigger else "disk.low"
        return [_short(name, "warn", box, volume, message, _LOW_WHY, bigger)]
    if volume.free_gib < MIN_FREE_GIB and volume.kind != "memory":
        why = "Installing packages and compiling kernels need room there."
        return [_short("disk.low", "warn", box, volume, message, why, bigger)]
    return [Finding("disk", "ok", message, where=volume.path)]


def _bigger(storage: StorageFacts, volume: Volume) -> Volume | None:
    """A volume with at least twice the room and enough of it."""
    return roomiest(storage, {volume.path}, max(2 * volume.free_gib, MIN_FREE_GIB))


def _short(
    name: str,
    severity: Severity,
    box: Box,
    volume: Volume,
    message: str,
    why: str,
    bigger: Volume | None,
) -> Finding:
    """Room that is lacking: moved to the bigger volume, else shown what takes it."""
    roles = [role for role in volume.roles if role != COMPILED or volume.free_gib < _NOTHING_GIB]
    fix = move(box.storage, roles, bigger) if bigger else ""
    if not fix:
        fix = f"du -xh --max-depth=3 {shlex.quote(volume.path)} 2>/dev/null | sort -h | tail -20"
        if box.platform.name == VAST:
            why += " On Vast.ai the disk keeps the size it was rented with."
            fix = f"Rent again with a larger disk, or delete what is not needed: {fix}"
        else:
            why += " The command lists the largest folders: delete some, or add a volume."
    return Finding(
        name,
        severity,
        message,
        fix,
        volume.path,
        why,
        safe=_is_safe(fix),
    )


def _no_files(box: Box, volume: Volume) -> Finding:
    bigger = roomiest(box.storage, {volume.path}, MIN_FREE_GIB)
    fix = move(box.storage, volume.roles, bigger) if bigger else ""
    fix = fix or f"du --inodes -x --max-depth=3 {shlex.quote(volume.path)} | sort -n | tail -20"
    left = volume.files_free or 0
    return Finding(
        "disk.no-files",
        "fail" if left < _MIN_FILES else "warn",
        f"{volume.path} can hold only {left} more files (inodes), with "
        f"{size(volume.free_gib)} free.",
        fix,
        volume.path,
        "A volume without inodes says 'No space left on device' whatever its free bytes; caches "
        "and packages are made of many small files.",
        safe=_is_safe(fix),
    )


def _in_memory(box: Box, volume: Volume, roles: list[str]) -> Finding:
    target = roomiest(box.storage, {volume.path}, MIN_FREE_GIB)
    fix = move(box.storage, roles, target) if target else _say_where(box.storage, roles)
    return Finding(
        "disk.in-memory",
        "warn",
        f"{volume.path} is RAM ({volume.fs}) and holds {list_words(roles)}.",
        fix,
        volume.path,
        "What is written there counts against the memory limit, which kills the training, and is "
        "gone when the box restarts.",
        safe=_is_safe(fix),
    )


def _temporary_in_memory(volume: Volume) -> Finding:
    message = f"Temporary files lie on {volume.path}, which is RAM ({volume.fs}): they count as it."
    return Finding("disk.temporary-in-memory", "info", message, where=volume.path)


def _objects(box: Box, volume: Volume, roles: list[str]) -> Finding:
    target = roomiest(box.storage, {volume.path}, MIN_FREE_GIB)
    fix = move(box.storage, roles, target) if target else _say_where(box.storage, roles)
    return Finding(
        "disk.object-store",
        "warn",
        f"{volume.path} is an object store behind {volume.fs} and holds {list_words(roles)}.",
        fix,
        volume.path,
        "It has no locks, no links and no appending: checkpoints and the hub's cache break or take "
        "minutes. Copy results there when the run is done.",
        safe=_is_safe(fix),
    )


def _network(volume: Volume, roles: list[str]) -> Finding:
    message = (
        f"{volume.path} is a network volume ({volume.fs}) and holds {list_words(roles)}: loading a "
        "model and saving a checkpoint take longer, and the free room shown may be that of the "
        "whole cluster, not of your quota."
    )
    return Finding("disk.network", "info", message, where=volume.path)


def _say_where(storage: StorageFacts, roles: Collection[str]) -> str:
    """Where no volume is known that would do."""
    names = {CACHE: storage.cache_variable, RUNS: "TAILFIN_RUNS", TEMPORARY: "TMPDIR"}
    names[COMPILED] = "TRITON_CACHE_DIR"
    wanted = [names[role] for role in names if role in roles]
    return f"Attach a volume that may be written, and set {list_words(wanted)} to folders on it."


def _remount(volume: Volume) -> str:
    return f"mount -o remount,exec {shlex.quote(volume.path)}"


def _is_safe(fix: str) -> bool:
    """An export alone changes nothing on the disk; looking for what takes room neither."""
    return fix.startswith(("export ", "du ")) and " && " not in fix


CHECKS = (check_writable, check_room, check_noexec, check_kind)
