"""The volumes of a box: what is mounted where, and which of them are worth writing to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from engine.doctor.host import Host, Room
from engine.doctor.platform import Platform

MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})
# Over the network, with the semantics of a file system.
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs"}
    | {"afs", "wekafs", "9p", "virtiofs", "fuse.mfs", "fuse.moosefs", "fuse.juicefs", "fuse.ceph"}
    | {"fuse.glusterfs", "fuse.seaweedfs", "fuse.sshfs", "fuse.geesefs"}
)
# Objects behind the names of files: no renaming in place, no appending, no locks.
OBJECTS = frozenset(
    {"fuse.gcsfuse", "fuse.s3fs", "fuse.rclone", "fuse.goofys", "fuse.mountpoint-s3", "fuse.drive"}
    | {"fuse.drivefs", "fuse.google-drive-ocamlfuse", "fuse.blobfuse", "fuse.blobfuse2"}
    | {"fuse.cosfs", "fuse.ossfs", "fuse.obsfs"}
)
# Images that are never written; that one is full says nothing.
IMAGES = frozenset({"squashfs", "iso9660", "erofs", "fuse.squashfuse", "fuse.squashfuse_ll"})
_SYSTEM = re.compile(
    r"/(proc|sys|dev|run|etc|usr|bin|sbin|lib\w*|boot|snap|opt/nvidia|nix|var/lib|var/run|efi)(/|$)"
)
_LEAST_BYTES = 10 * 2**30
# Links followed before they are taken for a circle, as the kernel does.
_MOST_LINKS = 40


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount point with the type of its file system and its options, super block's included."""

    path: str
    fs: str = ""
    options: frozenset[str] = frozenset()

    @property
    def is_read_only(self) -> bool:
        return "ro" in self.options or self.fs in IMAGES

    @property
    def kind(self) -> str:
        """`memory`, `network`, `objects` or `disk`; a kind of fuse nobody knows is a network."""
        if self.fs in MEMORY:
            return "memory"
        if self.fs in OBJECTS:
            return "objects"
        if self.fs in NETWORK or (self.fs.startswith("fuse") and "overlay" not in self.fs):
            return "network"
        return "disk"


def read_mounts(host: Host, platform: Platform) -> dict[str, Mount]:
    """Every mount by its path; what hides another on the same path counts.

    Where /proc is not readable the volumes are told apart by their room.
    """
    found = {mount.path: mount for mount in _mountinfo(host)}
    if not found:
        for file in ("/proc/self/mounts", "/proc/mounts", "/etc/mtab"):
            found = {mount.path: mount for mount in _table(host.text(file))}
            if found:
                break
    found.setdefault("/", Mount("/"))
    root = host.room("/")
    for path in (*platform.volumes, "/tmp", "/dev/shm"):
        room = None if path in found else host.room(path)
        if room and root and room.total != root.total and not _is_below(path, found):
            found[path] = Mount(path, "tmpfs" if path == "/dev/shm" else "")
    return found


def mount_of(path: str, mounts: dict[str, Mount]) -> Mount:
    """The mount a path lies on."""
    while path not in mounts and path != "/":
        path = os.path.dirname(path)
    return mounts.get(path, Mount("/"))


def resolved(host: Host, path: str) -> str:
    """A path of that box, absolute and with its links followed; what is missing stays."""
    if not host.is_recorded:
        return os.path.realpath(path)
    waiting = [part for part in os.path.normpath(path).split("/") if part]
    done = "/"
    links = 0
    while waiting:
        step = os.path.join(done, waiting.pop(0))
        here = host.at(step)
        if not here.is_symlink() or links == _MOST_LINKS:
            done = step
            continue
        links += 1
        target = os.path.normpath(os.path.join(done, os.readlink(here)))
        waiting = [*(part for part in target.split("/") if part), *waiting]
        done = "/"
    return done


def room_at(host: Host, path: str, mounts: dict[str, Mount]) -> Room | None:
    """Room for a folder that need not be there yet: its nearest parent's."""
    room = host.room(path)
    while room is None and path != "/" and path not in mounts:
        if not host.is_recorded and os.path.lexists(path):
            break  # there, and not to be looked at: its parent says nothing of it
        path = os.path.dirname(path)
        room = host.room(path)
    if room is not None and mount_of(path, mounts).is_read_only:
        return Room(room.total, room.free, writable=False, files_free=room.files_free)
    return room


def spare_mounts(host: Host, mounts: dict[str, Mount], used: Iterable[str]) -> list[str]:
    """Volumes nothing of ours lies on, that are big enough to matter.

    The same disk mounted twice, as containers have it for single files, is one volume.
    """
    taken = set(used)
    known = {(room.total, room.free) for path in taken if (room := host.room(path))}
    found = []
    for path, mount in mounts.items():
        if path in taken or _SYSTEM.match(path) or mount.kind in ("memory", "objects"):
            continue
        room = host.room(path)
        if room and room.total >= _LEAST_BYTES and not mount.is_read_only:
            if (room.total, room.free) not in known:
                found.append(path)
            known.add((room.total, room.free))
    return found


def _mountinfo(host: Host) -> Iterable[Mount]:
    """Lines of proc(5): fields, optional ones, a dash, then type, source and super options."""
    for line in host.text("/proc/self/mountinfo").splitlines():
        left, dash, right = line.partition(" - ")
        fields, told = left.split(), right.split()
        if len(fields) >= 6 and dash and told:
            options = {*fields[5].split(","), *(told[2].split(",") if len(told) > 2 else ())}
            yield Mount(_plain(fields[4]), told[0], frozenset(options))


def _table(text: str) -> Iterable[Mount]:
    """Lines of fstab(5): source, path, type, options."""
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 4 and fields[1].startswith("/"):
            yield Mount(_plain(fields[1]), fields[2], frozenset(fields[3].split(",")))


def _plain(path: str) -> str:
    return re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), path)


def _is_below(path: str, mounts: Iterable[str]) -> bool:
    return any(mount != "/" and path.startswith(f"{mount}/") for mount in mounts)
