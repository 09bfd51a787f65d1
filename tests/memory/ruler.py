"""Measures allocated bytes of a real CPU computation with torch's own profiler.

It shares nothing with the estimate: every allocation and release of the CPU allocator is replayed,
those inside operators included.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

_MARK = 1_000_003  # bytes of the tensor whose allocation separates the stages


@dataclass(frozen=True, slots=True)
class Reading:
    """Bytes above the start of the first stage: the highest in a stage, and at its end."""

    peak: int
    left: int


def measure(*stages: Callable[[], Any]) -> list[Reading]:
    """Allocations of stages that run one after the other; their results live to the end."""
    kept = []
    # What earlier work left in cycles is released now, or it would count as released by a stage.
    gc.collect()
    gc.disable()
    try:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            for stage in stages:
                kept.append(stage())
                torch.empty(_MARK, dtype=torch.uint8)
    finally:
        gc.enable()
    results = seen.profiler.kineto_results
    records = sorted(
        (event.start_ns(), event.nbytes())
        for event in results.events()
        if event.name() == "[memory]"
    )
    readings = []
    live = peak = 0
    for _, size in records:
        if size == _MARK:
            readings.append(Reading(peak, live))
            peak = live
        elif size != -_MARK:
            live += size
            peak = max(peak, live)
    return readings
