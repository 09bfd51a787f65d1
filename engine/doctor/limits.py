"""Memory, processors and per-process limits: what this process may really use."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from engine.doctor.cgroup import cpu_quota, memory_limit, oom_kills
from engine.doctor.facts import GIB, Box, LimitFacts
from engine.doctor.host import Host
from engine.findings import Finding

MIN_FREE_RAM_GIB = 4.0
MIN_OPEN_FILES = 4096
MIN_SHM_GIB = 1.0


def read_limits(host: Host) -> LimitFacts:
    """Read /proc and the cgroup tree."""
    root, env = host.root, host.env
    meminfo = _meminfo(root)
    limit = memory_limit(root)
    shm = host.room("/dev/shm")
    return LimitFacts(
        ram_gib=meminfo.get("MemTotal", 0) / GIB,
        available_gib=meminfo.get("MemAvailable", 0) / GIB,
        cgroup_gib=limit.limit_bytes / GIB if limit else None,
        cgroup_free_gib=(limit.limit_bytes - limit.used_bytes) / GIB if limit else None,
        oom_kills=oom_kills(root),
        cores=_cores(root),
        cpu_quota=cpu_quota(root),
        omp_threads=env.get("OMP_NUM_THREADS", ""),
        open_files=_open_files(root),
        shm_gib=shm.total / GIB if shm else None,
    )


def check_ram(box: Box) -> list[Finding]:
    """RAM within the container's limit, which kills without a message when it is passed."""
    limits = box.limits
    if limits.cgroup_gib is not None and limits.cgroup_gib < limits.ram_gib:
        room = (
            f"{limits.usable_gib:.1f} GiB of RAM within the container's limit "
            f"(the machine has {limits.ram_gib:.0f})"
        )
    else:
        room = f"{limits.ram_gib:.1f} GiB of RAM"
    message = f"{room}, {limits.free_gib:.1f} GiB free."
    if limits.free_gib < MIN_FREE_RAM_GIB:
        fix = "End other processes, or rent a box with more RAM."
        return [Finding("ram.low", "warn", message, fix)]
    return [Finding("ram", "ok", message)]


def check_oom_kills(box: Box) -> list[Finding]:
    """Processes that the memory limit has already killed."""
    if not box.limits.oom_kills:
        return []
    kills = box.limits.oom_kills
    killed = "one process" if kills == 1 else f"{kills} processes"
    message = (
        f"The container's memory limit has killed {killed} since it began; such a process ends "
        "with signal 9 and says nothing."
    )
    return [Finding("ram.oom-killed", "warn", message, "Set data.num_proc lower, or add RAM.")]


def check_processors(box: Box) -> list[Finding]:
    """Processors shown against the time that is really granted."""
    limits = box.limits
    quota = limits.cpu_quota
    if quota is None or quota >= limits.cores:
        shown = "1 processor." if limits.cores == 1 else f"{limits.cores} processors."
        return [Finding("cpu", "ok", shown)]
    message = f"{limits.cores} processors are shown but the quota grants {quota:g}"
    threads = max(1, math.floor(quota))
    if limits.omp_threads.isdigit() and int(limits.omp_threads) <= math.ceil(quota):
        threads_set = f"{message}; OMP_NUM_THREADS={limits.omp_threads} respects it."
        return [Finding("cpu", "ok", threads_set)]
    fix = f"export OMP_NUM_THREADS={threads}"
    slow = f"{message}: threads beyond it only hold each other up."
    return [Finding("cpu.quota", "warn", slow, fix)]


def check_open_files(box: Box) -> list[Finding]:
    """The open-files limit, which large sharded data runs into."""
    limit = box.limits.open_files
    if limit is None or limit >= MIN_OPEN_FILES:
        return []
    message = f"Only {limit} files may be open at once; large data sets need more."
    return [Finding("limits.open-files", "warn", message, "ulimit -n 65535")]


def check_shared_memory(box: Box) -> list[Finding]:
    """/dev/shm, through which loader processes and several GPUs hand tensors over."""
    shm_gib = box.limits.shm_gib
    if shm_gib is None or shm_gib >= MIN_SHM_GIB:
        return []
    message = (
        f"/dev/shm holds {shm_gib * 1024:.0f} MiB; loader processes that pass more than that "
        "die with a bus error."
    )
    fix = "Start the container with --shm-size=8g, or keep data.num_proc at 0."
    return [Finding("limits.shared-memory", "warn", message, fix, "/dev/shm")]


CHECKS = (check_ram, check_oom_kills, check_processors, check_open_files, check_shared_memory)


def _meminfo(root: Path) -> dict[str, int]:
    """/proc/meminfo in bytes."""
    rows = re.findall(r"^(\w+):\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    return {name: int(kib) * 1024 for name, kib in rows}


def _cores(root: Path) -> int:
    """Processors this process may be scheduled on."""
    found = re.search(
        r"^Cpus_allowed_list:\s*([\d,-]+)", _read(root / "proc/self/status"), re.MULTILINE
    )
    if not found:
        return os.cpu_count() or 1
    count = 0
    for span in found[1].split(","):
        first, _, last = span.partition("-")
        if first.isdigit():
            count += int(last or first) - int(first) + 1
    return max(count, 1)


def _open_files(root: Path) -> int | None:
    found = re.search(r"^Max open files\s+(\d+)", _read(root / "proc/self/limits"), re.MULTILINE)
    return int(found[1]) if found else None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
