"""Processors and per-process limits, against what training asks of them."""

from __future__ import annotations

import math

from engine.doctor.facts import Box
from engine.doctor.memory_checks import CHECKS as MEMORY_CHECKS
from engine.doctor.platform import VAST
from engine.findings import Finding

MIN_OPEN_FILES = 4096
_ENOUGH_FILES = 65535
MIN_SHM_GIB = 1.0
_MIN_PROCESSES = 1024


def check_processors(box: Box) -> list[Finding]:
    """Processors shown against the time that is really granted, and the threads started for it."""
    limits = box.limits
    shown = max(limits.cores_shown or 0, limits.cores)
    granted = limits.cpu_granted
    threads = max(1, math.floor(granted))
    fix = f"export OMP_NUM_THREADS={threads}"
    asked = int(limits.omp_threads) if limits.omp_threads.isdigit() else None
    slow = (
        "Libraries start a thread for each processor they see; beyond the granted time these only "
        f"hold each other up. Set data.num_proc to at most {threads} too."
    )
    if granted >= shown:
        said = "1 processor." if shown == 1 else f"{shown} processors."
        if asked is not None and asked > 2 * shown:
            message = f"OMP_NUM_THREADS is {asked} on {said}"
            return [Finding("cpu.threads", "warn", message, fix, why=slow, safe=True)]
        return [Finding("cpu", "ok", said)]
    if granted < limits.cores:
        by = "the quota grants" if limits.cpu_quota == granted else "the pod was rented with"
        name, message = "cpu.quota", f"{shown} processors are shown but {by} {granted:g}"
    else:
        name = "cpu.affinity"
        message = f"{shown} processors are shown but this process may run on {limits.cores}"
    if asked is not None and asked <= math.ceil(granted):
        return [Finding("cpu", "ok", f"{message}; OMP_NUM_THREADS={asked} respects it.")]
    return [Finding(name, "warn", f"{message}.", fix, why=slow, safe=True)]


def check_open_files(box: Box) -> list[Finding]:
    """The open-files limit, which large sharded data runs into."""
    limit, hard = box.limits.open_files, box.limits.open_files_hard
    if limit is None or limit >= MIN_OPEN_FILES:
        return []
    message = f"Only {limit} files may be open at once (ulimit -n)."
    fix = f"ulimit -n {_ENOUGH_FILES if hard is None else min(_ENOUGH_FILES, hard)}"
    if hard is not None and hard < MIN_OPEN_FILES:
        message = f"{message[:-1]}, and no more than {hard} may be asked for."
        fix = "Start the container again with --ulimit nofile=65535:65535"
    why = "Sharded data and several processes end with 'Too many open files'."
    return [Finding("limits.open-files", "warn", message, fix, why=why)]


def check_processes(box: Box) -> list[Finding]:
    """How many more processes and threads may be made."""
    left, by = box.limits.processes, box.limits.processes_by
    if left is None or left >= _MIN_PROCESSES:
        return []
    message = f"Only {left} more processes and threads may be made ({by})."
    fix = "Start the container again with --pids-limit=-1"
    if by == "ulimit -u":
        fix = "Ask the owner of the box to lift the limit 'nproc' in /etc/security/limits.conf."
    why = "Torch and the tokenizer start a thread per processor, each loader process again."
    return [Finding("limits.processes", "warn", message, fix, why=why)]


def check_shared_memory(box: Box) -> list[Finding]:
    """/dev/shm, through which loader processes and several GPUs hand tensors over."""
    shm_gib = box.limits.shm_gib
    if shm_gib is None or shm_gib >= MIN_SHM_GIB:
        return []
    message = f"/dev/shm holds only {shm_gib * 1024:.0f} MiB."
    why = (
        "Loader processes hand batches over through it and die with a bus error when it is full. "
        "tailfin loads data in the training process (dataloader_num_workers=0); other programs "
        "need the same setting."
    )
    fix = "Start the container again with --shm-size=8g, and use dataloader_num_workers=0 till then"
    if len(box.gpu.gpus) > 1:
        fix = "export NCCL_SHM_DISABLE=1"
        why += " Several GPUs pass gradients through it; a larger one needs --shm-size=8g."
    elif box.limits.may_mount and box.platform.is_root:
        fix = "mount -o remount,size=8G /dev/shm"
    elif box.platform.name == VAST:
        fix = "Set dataloader_num_workers=0; Vast.ai sizes /dev/shm by the share of GPUs rented."
    safe = fix.startswith(("export ", "mount "))
    return [
        Finding("limits.shared-memory", "warn", message, fix, "/dev/shm", why=why, safe=safe),
    ]


CHECKS = (
    *MEMORY_CHECKS,
    check_processors,
    check_shared_memory,
    check_open_files,
    check_processes,
)
