"""Whose box this is, and how it is changed: the rental platform, its volumes, its installer."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.doctor.host import Host

RUNPOD, VAST, AUTODL, LAMBDA, COLAB, KAGGLE, WSL, PLAIN = (
    "RunPod",
    "Vast.ai",
    "AutoDL",
    "Lambda",
    "Colab",
    "Kaggle",
    "WSL",
    "",
)
_VOLUMES = {
    RUNPOD: ("/workspace", "/runpod-volume"),
    VAST: ("/workspace",),
    AUTODL: ("/root/autodl-tmp", "/root/autodl-fs"),
    LAMBDA: ("/lambda/nfs",),
    COLAB: ("/content/drive/MyDrive",),
    KAGGLE: ("/kaggle/working",),
}
# Where images and people mount big disks when no platform says so.
_USUAL = ("/workspace", "/data", "/mnt", "/scratch", "/home")
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
    if any(name.startswith("RUNPOD_") for name in env) or host.exists("/etc/rp_environment"):
        return RUNPOD
    if "VAST_CONTAINERLABEL" in env or any(name.startswith("VAST_") for name in env):
        return VAST
    if host.exists("/root/autodl-tmp") or any(name.startswith("AutoDL") for name in env):
        return AUTODL
    if "COLAB_RELEASE_TAG" in env or "COLAB_GPU" in env:
        return COLAB
    if "KAGGLE_KERNEL_RUN_TYPE" in env:
        return KAGGLE
    if host.exists("/lambda/nfs") or "lambda" in host.text("/etc/cloud/build.info").lower():
        return LAMBDA
    if "microsoft" in host.text("/proc/sys/kernel/osrelease").lower():
        return WSL
    return PLAIN


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
