"""What torch's words say about memory that ran out: figures that stand there, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Place = Literal["GPU", "virtual GPU", "RAM", ""]
_UNITS = {"bytes": 1 / 2**30, "kib": 1 / 2**20, "mib": 1 / 2**10, "gib": 1.0, "tib": 1024.0}
# format_size of c10/cuda/CUDACachingAllocator.cpp; numpy writes "926. GiB"
_SIZE = r"(\d+(?:\.\d*)?) (bytes|KiB|MiB|GiB|TiB)"
# The sentence as it is from torch 2.1 on ("capacty" up to 2.2), then as it was before.
_REQUESTED = (rf"tried to allocate {_SIZE}", rf"unable to allocate {_SIZE} for an array")
_LIMIT = (
    rf"{_SIZE} allowed;",  # a share of the card, set by set_per_process_memory_fraction
    rf"total capaci?ty of {_SIZE}",
    rf"{_SIZE} total capacity;",
)
_ALLOCATED = (rf"{_SIZE} is allocated by PyTorch", rf"{_SIZE} already allocated")
_FREE = (rf"of which {_SIZE} is free",)
_UNUSED = (rf"{_SIZE} is reserved by PyTorch but unallocated",)
_RESERVED = (rf"{_SIZE} reserved in total by PyTorch",)
_OWN = (rf"this process has {_SIZE} memory in use",)
_OTHER = re.compile(rf"Process \d+ has {_SIZE} memory in use", re.IGNORECASE)
_WORDS = re.compile("(?:tried|unable) to allocate", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MemoryFacts:
    """Where memory ran out and how it stood; None where nobody said, in GiB.

    `step` is the last step done. `allocated_gib` is in tensors, `reserved_gib` held by the
    allocator, `limit_gib` what the process could have had, `others_gib` what other processes had
    of the card. `measured_peak_gib` is the highest figure the log has for that memory; 0 unknown.
    """

    phase: str
    step: int
    requested_gib: float | None = None
    allocated_gib: float | None = None
    reserved_gib: float | None = None
    limit_gib: float | None = None
    others_gib: float | None = None
    measured_peak_gib: float = 0.0


def read_memory_facts(
    texts: Iterable[str], *, phase: str, step: int, measured_peak_gib: float = 0.0
) -> MemoryFacts:
    """The figures of the first text that has any: of its last sentence about memory."""
    said = next((found for text in texts if (found := _sentence(text))), "")
    limit, allocated = _first(_LIMIT, said), _first(_ALLOCATED, said)
    free, unused, reserved = _first(_FREE, said), _first(_UNUSED, said), _first(_RESERVED, said)
    if allocated is None and "virtual VRAM" in said and limit is not None and free is not None:
        allocated = limit - free  # there nothing else takes any
    if reserved is None and allocated is not None and unused is not None:
        reserved = allocated + unused
    return MemoryFacts(
        phase=phase,
        step=step,
        requested_gib=_first(_REQUESTED, said),
        allocated_gib=allocated,
        reserved_gib=reserved,
        limit_gib=limit,
        others_gib=_others(said, limit),
        measured_peak_gib=measured_peak_gib,
    )


def memory_place(text: str) -> Place:
    """Which memory a text speaks of; empty where it does not say."""
    if "virtual VRAM" in text:
        return "virtual GPU"
    if re.search(r"CUDA|CUBLAS|CUDNN|HIP out of memory|\bGPU\b", text):
        return "GPU"
    if re.search(r"CPUAllocator|for an array|Cannot allocate memory|MemoryError|no more mem", text):
        return "RAM"
    return ""


def _sentence(text: str) -> str:
    """The last line with figures; torch writes them all on one."""
    return next((line for line in reversed(text.splitlines()) if _WORDS.search(line)), "")


def _first(patterns: Iterable[str], text: str) -> float | None:
    for pattern in patterns:
        found = re.search(pattern, text, re.IGNORECASE)
        if found:
            return _gib(found[1], found[2])
    return None


def _others(text: str, limit: float | None) -> float | None:
    """What other processes hold; None where this one is not told apart from them.

    In a container it is not: its number there is not the driver's. Under WSL the driver gives
    figures far beyond the card.
    """
    own = _first(_OWN, text)
    if own is None or limit is None or own > limit:
        return None
    others = sum(_gib(amount, unit) for amount, unit in _OTHER.findall(text))
    return others if others <= limit else None


def _gib(amount: str, unit: str) -> float:
    return float(amount) * _UNITS[unit.lower()]
