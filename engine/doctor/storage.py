"""Where models, runs and temporary files lie, and how much room each volume has for them."""

from __future__ import annotations

import os

from engine.doctor.facts import GIB, StorageFacts, Volume
from engine.doctor.host import Host, Room
from engine.doctor.hub import hub_cache, hub_home
from engine.doctor.platform import Platform, read_platform
from engine.doctor.volumes import (
    Mount,
    mount_of,
    read_mounts,
    resolved,
    room_at,
    spare_mounts,
)
from engine.persistent import is_persistent

CACHE, RUNS, TEMPORARY, COMPILED, SYSTEM = (
    "model cache",
    "runs",
    "temporary files",
    "compiled kernels",
    "system",
)


def places(
    host: Host, mounts: dict[str, Mount], platform: Platform | None = None
) -> list[tuple[str, str]]:
    """What is written while a model is trained, role and path; the same rules as the writers'."""
    env = {**host.env, "HOME": _home(host, platform or read_platform(host))}
    temporary = next((env[name] for name in ("TMPDIR", "TEMP", "TMP") if env.get(name)), "/tmp")
    kernels = env.get("TRITON_CACHE_DIR") or os.path.join(
        env.get("TRITON_HOME") or env["HOME"], ".triton"
    )
    return [
        (CACHE, str(hub_cache(env))),
        (RUNS, _runs(host, mounts)),
        (TEMPORARY, temporary),
        (COMPILED, kernels),
        (SYSTEM, "/"),
    ]


def read_storage(host: Host) -> StorageFacts:
    """Group our places by the volume they lie on; folders not yet made count by their parent."""
    platform = read_platform(host)
    mounts = read_mounts(host, platform)
    ours = [(role, resolved(host, path)) for role, path in places(host, mounts, platform)]
    by_mount: dict[str, list[tuple[str, str]]] = {}
    for role, path in ours:
        by_mount.setdefault(mount_of(path, mounts).path, []).append((role, path))
    home = _home(host, platform)
    return StorageFacts(
        volumes=tuple(_volume(host, mounts, mount, held, home) for mount, held in by_mount.items()),
        spare=tuple(
            _volume(host, mounts, mount, [], home) for mount in spare_mounts(host, mounts, by_mount)
        ),
        places=tuple(ours),
        cache_variable="HF_HUB_CACHE" if host.env.get("HF_HUB_CACHE") else "HF_HOME",
        saved_token=_saved_token(host, home),
    )


def _saved_token(host: Host, home: str) -> str:
    """The file of a token that only HF_HOME leads to."""
    if host.env.get("HF_TOKEN_PATH"):
        return ""
    file = str(hub_home({**host.env, "HOME": home}) / "token")
    return file if host.text(file).strip() else ""


def _runs(host: Host, mounts: dict[str, Mount]) -> str:
    """Where new runs go, as engine.runs.store decides it on the box itself."""
    if named := host.env.get("TAILFIN_RUNS"):
        return os.path.join(_here(host), named)
    volumes = {
        path: room.total
        for path in mounts
        if is_persistent(path) and (room := room_at(host, path, mounts)) and room.writable
    }
    if volumes:
        return os.path.join(max(volumes, key=lambda path: volumes[path]), "tailfin", "runs")
    return os.path.join(_here(host), "runs")


def _here(host: Host) -> str:
    if not host.is_recorded:
        try:
            return os.getcwd()
        except OSError:  # it was removed
            pass
    return host.env.get("PWD") or host.env.get("HOME") or "/"


def _home(host: Host, platform: Platform) -> str:
    return host.env.get("HOME") or ("/root" if platform.is_root else "/")


def _volume(
    host: Host, mounts: dict[str, Mount], path: str, members: list[tuple[str, str]], home: str
) -> Volume:
    mount = mounts.get(path, Mount(path))
    rooms = [(role, place, room_at(host, place, mounts)) for role, place in members]
    room = next((room for _, _, room in rooms if room), None) or host.room(path)
    return Volume(
        path=path,
        total_gib=room.total / GIB if room else 0.0,
        free_gib=room.free / GIB if room else 0.0,
        roles=tuple(role for role, _ in members),
        unwritable=tuple((role, place) for role, place, room in rooms if _is_closed(host, room)),
        fs=mount.fs,
        kind=mount.kind,
        noexec="noexec" in mount.options,
        read_only=mount.is_read_only,
        files_free=room.files_free if room else None,
        persistent=is_persistent(path),
        base=_base(host, mounts, path, home),
    )


def _is_closed(host: Host, room: Room | None) -> bool:
    """A recording without an answer says nothing; a box that gives none lets nothing be made."""
    return not host.is_recorded if room is None else not room.writable


def _base(host: Host, mounts: dict[str, Mount], path: str, home: str) -> str:
    """Where a folder can be made: the volume's top, the home on it, or what all may write."""
    for folder in ([] if path == "/" else [path]) + [home, "/var/tmp"]:
        if mount_of(resolved(host, folder), mounts).path == path:
            room = host.room(folder)
            if room and room.writable and not mounts.get(path, Mount(path)).is_read_only:
                return folder
    return ""
