"""Whose box this is, and how it is changed: the rental platform, its volumes, its installer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.doctor.host import Host
from engine.persistent import (
    AUTODL_VOLUMES,
    HOLDERS,
    PAPERSPACE_VOLUMES,
    RUNPOD_VOLUMES,
    VAST_VOLUMES,
)

RUNPOD, VAST, AUTODL, LAMBDA, COLAB, KAGGLE, PAPERSPACE, WSL, PLAIN = (
    "RunPod",
    "Vast.ai",
    "AutoDL",
    "Lambda",
    "Colab",
    "Kaggle",
    "Paperspace",
    "WSL",
    "",
)
_VOLUMES = {
    RUNPOD: RUNPOD_VOLUMES,
    VAST: VAST_VOLUMES,
    AUTODL: AUTODL_VOLUMES,
    LAMBDA: HOLDERS,
    KAGGLE: ("/kaggle/working",),
    PAPERSPACE: PAPERSPACE_VOLUMES,
}
# Where images and people mount big disks when no platform says so.
_USUAL = ("/workspace", "/data", "/mnt/data", "/mnt", "/scratch", "/home")
_INSTALLERS = (
    ("apt-get", "apt-get install -y"),
    ("dnf", "dnf install -y"),
    ("yum", "yum install -y"),
    ("apk", "apk add"),
    ("zypper", "zypper install -y"),
    ("pacman", "pacman -S --noconfirm"),
)


@dataclass(frozen=True, slots=True)
class Platform:
    """`name` is empty on a host of no known platform; `volumes` may not exist."""

    name: str = ""
    distribution: str = ""
    installer: str = "apt-get install -y"
    is_root: bool = True
    has_sudo: bool = False
    is_container: bool = False
    volumes: tuple[str, ...] = _USUAL

    def install(self, *packages: str) -> str:
        """The command that installs packages of the system, as this person may type it."""
        before = "" if self.is_root else "sudo "
        first = f"{before}apt-get update && " if self.installer.startswith("apt-get") else ""
        return f"{first}{before}{self.installer} {' '.join(packages)}"


def read_platform(host: Host) -> Platform:
    """Read it from the environment, /etc/os-release and marks the platforms leave."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', host.text("/etc/os-release"), re.MULTILINE))
    name = _name(host)
    installer = next((how for what, how in _INSTALLERS if host.which(what)), _INSTALLERS[0][1])
    uid = re.search(r"^Uid:\s+\d+\s+(\d+)", host.text("/proc/self/status"), re.MULTILINE)
    return Platform(
        name=name,
        distribution=release.get("PRETTY_NAME", ""),
        installer=installer,
        is_root=uid is None or uid[1] == "0",
        has_sudo=bool(host.which("sudo")),
        is_container=_is_container(host),
        volumes=tuple(dict.fromkeys((*_VOLUMES.get(name, ()), *_USUAL))),
    )


def _name(host: Host) -> str:
    env = host.env
    if _has(env, "RUNPOD_") or host.exists("/etc/rp_environment"):
        return RUNPOD
    # an SSH shell may lack the variables; the file is there all the same
    is_vast = _has(env, "VAST_") or env.get("CONTAINER_ID", "").isdigit()
    if is_vast or host.exists("/root/.vast_containerlabel"):
        return VAST
    if _has(env, "AutoDL", "AUTODL") or host.exists("/root/autodl-tmp"):
        return AUTODL
    if _has(env, "KAGGLE_KERNEL_"):  # before Colab: its image is built on that of Colab
        return KAGGLE
    if _has(env, "COLAB_"):
        return COLAB
    if _has(env, "PAPERSPACE_"):
        return PAPERSPACE
    if host.exists("/lambda/nfs") or "lambda" in host.text("/etc/cloud/build.info").lower():
        return LAMBDA
    init = host.text("/proc/1/environ").split("\0")  # readable by root only
    for prefix, name in (("RUNPOD_", RUNPOD), ("VAST_", VAST), ("AutoDL", AUTODL)):
        if any(pair.startswith(prefix) for pair in init):
            return name
    mounts = host.text("/proc/self/mountinfo")
    if " /root/autodl-tmp " in mounts:
        return AUTODL
    if " /lambda/nfs" in mounts:
        return LAMBDA
    kernel = host.text("/proc/sys/kernel/osrelease") + host.text("/proc/version")
    return WSL if "microsoft" in kernel.lower() else PLAIN


def _has(env: Mapping[str, str], *prefixes: str) -> bool:
    """A key to a platform's API may lie on any box, and says nothing of this one."""
    return any(name.startswith(prefixes) and not name.endswith("_API_KEY") for name in env)


def _is_container(host: Host) -> bool:
    if host.exists("/.dockerenv") or host.exists("/run/.containerenv"):
        return True
    marks = ("docker", "kubepods", "containerd", "libpod", "lxc")
    told = host.text("/proc/1/cgroup")
    if any(mark in told for mark in marks):
        return True
    return bool(
        re.search(r"^\d+ \d+ \S+ / / .* - overlay ", host.text("/proc/self/mountinfo"), re.M)
    )
