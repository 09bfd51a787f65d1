"""The processes of this box that have a GPU open, and whether the fabric manager runs."""

from __future__ import annotations

import re
from collections.abc import Collection

from engine.doctor.gpu_facts import Holder
from engine.doctor.host import Host

_DEVICE = re.compile(r"/dev/nvidia(?:\d+|-uvm)\b")
# They look at cards, or keep them awake, and hold next to no memory.
_WATCHERS = ("nvidia-smi", "nvidia-persiste", "nvtop", "nvitop", "gpustat", "nv-hostengine", "dcgm")
_FABRIC_MANAGER = "nv-fabricmanage"  # the kernel cuts names to 15 letters


def read_holders(host: Host, told: Collection[int]) -> tuple[tuple[Holder, ...], bool]:
    """Find them by their open files; `told` are NVML's, which in a container are the host's.

    A number of NVML's counts where that process has a GPU open, or where its files are closed to us
    but its name is known: outside containers numbers are the same.
    """
    own = _field(host, "self", "Pid")
    user = _field(host, "self", "Uid")
    found, fabric_manager = [], False
    for name in host.names("/proc"):
        if not name.isdecimal():
            continue
        title = _title(host, name)
        fabric_manager = fabric_manager or title == _FABRIC_MANAGER
        if name == own or title.startswith(_WATCHERS):
            continue
        files = host.names(f"/proc/{name}/fd")
        opens = any(_DEVICE.match(host.link(f"/proc/{name}/fd/{file}")) for file in files)
        opens = opens or bool(_DEVICE.search(host.text(f"/proc/{name}/maps") if not files else ""))
        is_hidden = not files and int(name) in told and bool(title)
        if opens or is_hidden:
            is_ours = user == "0" or not user or _field(host, name, "Uid") in (user, "")
            found.append(Holder(int(name), title or "a process", is_ours))
    return tuple(found), fabric_manager


def _title(host: Host, process: str) -> str:
    """Its short name: a command line may hold a token."""
    title = host.text(f"/proc/{process}/comm").strip()
    return title or host.text(f"/proc/{process}/cmdline").partition("\0")[0].rpartition("/")[2]


def _field(host: Host, process: str, field: str) -> str:
    match = re.search(rf"^{field}:\s+(\d+)", host.text(f"/proc/{process}/status"), re.MULTILINE)
    return match[1] if match else ""
