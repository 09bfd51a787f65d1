"""What the worker computes on, and how much memory it holds."""

from __future__ import annotations

import os
from dataclasses import dataclass

_GIB = 1024**3
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Memory:
    """Peak allocated and reserved on the card since the last call, resident RAM now; in GiB."""

    vram_gib: float
    vram_reserved_gib: float
    ram_gib: float


def memory_now() -> Memory:
    """Read the figures and start a new peak; costs microseconds."""
    import torch

    vram = reserved = 0.0
    if torch.cuda.is_available():
        vram = torch.cuda.max_memory_allocated() / _GIB
        reserved = torch.cuda.max_memory_reserved() / _GIB
        torch.cuda.reset_peak_memory_stats()
    with open("/proc/self/statm", "rb") as file:
        pages = int(file.read().split()[1])
    return Memory(round(vram, 4), round(reserved, 4), round(pages * _PAGE / _GIB, 4))


def device_name() -> str:
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"


def card_of_process_gib() -> float:
    """What the driver says this process holds of its card, in GiB; 0 where it does not say.

    In many containers it does not: its number of the process is another one there.
    """
    import torch

    if not torch.cuda.is_available():
        return 0.0
    import pynvml

    try:
        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        users = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except pynvml.NVMLError:
        return 0.0
    held = next((user.usedGpuMemory for user in users if user.pid == os.getpid()), None)
    return round((held or 0) / _GIB, 4)
