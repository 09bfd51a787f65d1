"""RAM: the limit that kills, what is free within it, and what else stands in its way."""

from __future__ import annotations

from engine.doctor.facts import Box
from engine.doctor.platform import VAST
from engine.findings import Finding

MIN_FREE_RAM_GIB = 4.0
# A limit this large, and above what the cards hold, is met by nobody who loads one model.
_AMPLE_GIB = 128.0
_MIN_PRESSURE = 10.0
_FEWER = (
    "Run with fewer processes: tailfin train ... --set data.num_proc=0, or rent a box with more RAM"
)


def check_ram(box: Box) -> list[Finding]:
    """RAM within the container's limit, which kills without a message when it is passed."""
    limits = box.limits
    if not limits.ram_gib and limits.cgroup_gib is None:
        return [Finding("ram.unknown", "skip", "The RAM could not be read: no /proc/meminfo.")]
    limited = limits.cgroup_gib is not None and limits.cgroup_gib < limits.ram_gib
    kills = limits.oom_kills
    killed = "one process" if kills == 1 else f"{kills} processes"
    if limited:
        room = (
            f"{limits.usable_gib:.1f} GiB of RAM within the container's limit "
            f"(the machine has {limits.ram_gib:.0f})"
        )
    else:
        room = f"{limits.usable_gib or limits.ram_gib:.1f} GiB of RAM"
    message = f"{room}, {limits.free_gib:.1f} GiB free."
    why = (
        "A process that passes the limit is killed with signal 9 and leaves no traceback. "
        "Programs that look at /proc believe in the machine's RAM and plan for that."
    )
    if box.platform.name == VAST:
        why += " Vast.ai lets a box pass its share for a while, and kills when others need it."
    if kills:
        message += f" The limit has already killed {killed}."
        return [Finding("ram.oom-killed", "warn", message, f"{_FEWER}.", why=why)]
    if limits.free_gib < MIN_FREE_RAM_GIB:
        why = "Loading the libraries takes about 1 GiB, and a model's weights pass through RAM."
        fix = "ps -eo pid,rss,comm --sort=-rss | head"
        return [Finding("ram.low", "warn", message, fix, why=why, safe=True)]
    if limited and limits.usable_gib < limits.ram_gib / 2 and _is_tight(box):
        return [Finding("ram.limit", "warn", message, f"{_FEWER}.", why=why)]
    return [Finding("ram", "ok", message)]


def check_pressure(box: Box) -> list[Finding]:
    """Processes that wait for memory, and swap that is in use."""
    limits = box.limits
    if limits.pressure is not None and limits.pressure >= _MIN_PRESSURE:
        message = (
            f"In the last minute everything here waited for memory {limits.pressure:.0f} % of the "
            "time."
        )
        why = "The box is short of RAM now: training slows down to a crawl, then it is killed."
        fix = "ps -eo pid,rss,comm --sort=-rss | head"
        return [Finding("ram.pressure", "warn", message, fix, why=why, safe=True)]
    return []


def check_commit(box: Box) -> list[Finding]:
    """A kernel that promises no more memory than it has; CUDA reserves far more than it uses."""
    free = box.limits.commit_free_gib
    if free is None:
        return []
    message = f"vm.overcommit_memory is 2, and only {free:.1f} GiB more may be reserved."
    why = (
        "CUDA and torch reserve much more address space than they use: that fails with 'Cannot "
        "allocate memory' though RAM is free."
    )
    sudo = "" if box.platform.is_root else "sudo "
    fix = f"{sudo}sysctl -w vm.overcommit_memory=0"
    if box.platform.is_container and not box.limits.may_mount:
        fix = "Change host: only its owner can set vm.overcommit_memory=0."
    return [Finding("ram.overcommit", "warn", message, fix, why=why)]


def check_address_space(box: Box) -> list[Finding]:
    """`ulimit -v`, which CUDA runs into first: it maps all of RAM and of the cards."""
    limits = box.limits
    needed = limits.ram_gib + sum(card.vram_gib for card in box.gpu.gpus)
    if limits.address_gib is None or limits.address_gib >= needed:
        return []
    message = f"A process may have only {limits.address_gib:.0f} GiB of address space (ulimit -v)."
    fix = "ulimit -v unlimited"
    if limits.address_is_hard:
        fix = "Ask the owner of the box to lift the limit 'as' in /etc/security/limits.conf."
    why = "CUDA reserves addresses for all of RAM and of the GPUs, and fails to start below that."
    return [Finding("limits.address-space", "warn", message, fix, why=why)]


CHECKS = (check_ram, check_pressure, check_commit, check_address_space)


def _is_tight(box: Box) -> bool:
    vram = sum(card.vram_gib for card in box.gpu.gpus)
    return box.limits.usable_gib < max(_AMPLE_GIB, vram)
