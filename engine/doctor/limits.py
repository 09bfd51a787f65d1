"""Memory, processors and per-process limits: what this process may really use, as /proc says."""

from __future__ import annotations

import os
import re

from engine.doctor.cgroup import (
    cpu_quota,
    memory_limit,
    memory_pressure,
    oom_kills,
    processes_left,
)
from engine.doctor.facts import GIB, LimitFacts
from engine.doctor.host import Host

# The bit of CAP_SYS_ADMIN, without which nothing can be mounted.
_SYS_ADMIN = 21
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}


def read_limits(host: Host) -> LimitFacts:
    """Read /proc and the cgroup tree."""
    root, env = host.root, host.env
    meminfo = _meminfo(host)
    limit = memory_limit(root)
    status = host.text("/proc/self/status")
    limits = host.text("/proc/self/limits")
    online = _online(host)
    files, files_hard = _limit(limits, "open files")
    address, address_hard = _limit(limits, "address space")
    left, by = _processes(host, limits)
    swap = meminfo.get("SwapTotal", 0)
    strict = host.text("/proc/sys/vm/overcommit_memory").strip() == "2"
    promised = meminfo.get("CommitLimit", 0) - meminfo.get("Committed_AS", 0)
    return LimitFacts(
        ram_gib=meminfo.get("MemTotal", 0) / GIB,
        available_gib=meminfo.get("MemAvailable", meminfo.get("MemFree", 0)) / GIB,
        cgroup_gib=limit.limit_bytes / GIB if limit else None,
        cgroup_free_gib=(limit.limit_bytes - limit.used_bytes) / GIB if limit else None,
        oom_kills=oom_kills(root),
        cores=_allowed(status) or online or (1 if host.is_recorded else os.cpu_count() or 1),
        cpu_quota=cpu_quota(root),
        omp_threads=env.get("OMP_NUM_THREADS", ""),
        open_files=files,
        shm_gib=_shared_memory(host),
        open_files_hard=files_hard,
        cores_shown=online,
        cpu_sold=_number(env.get("RUNPOD_CPU_COUNT", "")),
        swap_gib=swap / GIB,
        swap_used_gib=(swap - meminfo.get("SwapFree", swap)) / GIB,
        pressure=memory_pressure(root),
        address_gib=address / GIB if address is not None else None,
        address_is_hard=address_hard is not None,
        processes=left,
        processes_by=by,
        commit_free_gib=max(promised, 0) / GIB if strict and "CommitLimit" in meminfo else None,
        may_mount=_may_mount(status),
    )


def _meminfo(host: Host) -> dict[str, int]:
    """/proc/meminfo in bytes."""
    rows = re.findall(r"^(\w+):\s+(\d+) kB", host.text("/proc/meminfo"), re.MULTILINE)
    return {name: int(kib) * 1024 for name, kib in rows}


def _allowed(status: str) -> int:
    """Processors this process may be scheduled on, 0 where it is not known."""
    found = re.search(r"^Cpus_allowed_list:\s*([\d,-]+)", status, re.MULTILINE)
    return _spans(found[1]) if found else 0


def _online(host: Host) -> int | None:
    """Processors of the machine, which is what most programs count."""
    if spans := _spans(host.text("/sys/devices/system/cpu/online").strip()):
        return spans
    names = re.findall(r"^processor\s*:", host.text("/proc/cpuinfo"), re.MULTILINE)
    rows = names or re.findall(r"^cpu\d+ ", host.text("/proc/stat"), re.MULTILINE)
    return len(rows) or None


def _spans(text: str) -> int:
    """How many numbers a list such as 0-5,8 holds."""
    count = 0
    for span in text.split(","):
        first, _, last = span.partition("-")
        if first.isdigit() and (last or first).isdigit():
            count += max(int(last or first) - int(first) + 1, 0)
    return count


def _limit(limits: str, name: str) -> tuple[int | None, int | None]:
    """Soft and hard value of a row of /proc/self/limits; None is unlimited or unknown."""
    found = re.search(rf"^Max {name}\s+(\w+)\s+(\w+)", limits, re.MULTILINE)
    words = (found[1], found[2]) if found else ("", "")
    soft, hard = (int(word) if word.isdigit() else None for word in words)
    return soft, hard


def _processes(host: Host, limits: str) -> tuple[int | None, str]:
    """The smaller of what the control group and the user's own limit leave, and which it is."""
    group = processes_left(host.root)
    own = _limit(limits, "processes")[0]
    if own is not None and (group is None or own < group):
        return own, "ulimit -u"
    return group, "" if group is None else "pids.max"


def _shared_memory(host: Host) -> float | None:
    """Size of /dev/shm; the mount's own word where it is smaller than what was answered."""
    room = host.room("/dev/shm")
    mounted = re.findall(
        r" /dev/shm \S+ .*?- \S+ \S+ \S*?\bsize=(\d+)([kmgKMG]?)", host.text("/proc/self/mountinfo")
    )
    told = [int(number) * _UNITS[unit.lower()] for number, unit in mounted[-1:]]
    sizes = [*told, *([room.total] if room else [])]
    return min(sizes) / GIB if sizes else None


def _may_mount(status: str) -> bool:
    found = re.search(r"^CapEff:\s*([0-9a-fA-F]+)", status, re.MULTILINE)
    return bool(found and int(found[1], 16) >> _SYS_ADMIN & 1)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) and float(text) > 0 else None
