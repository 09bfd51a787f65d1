"""The reserved tier of a simulated run: its stream, fed to the simulated caching allocator."""

from __future__ import annotations

from dataclasses import dataclass

from engine.memory.allocator import MIB, Reserved, replay
from engine.memory.budget import GIB, TENSOR_COMPONENTS
from engine.memory.cards import Card
from engine.worker.simulate.trace import Trace

_BASE = TENSOR_COMPONENTS.index("base weights")


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes the allocator holds at most, by phase; `retries` is above 0 where only giving cached
    memory back made the run fit, which costs time at every step.
    """

    by_phase: dict[str, int]
    retries: int


def held_of(trace: Trace, card: Card) -> Held:
    """What is reserved in each phase on `card`, under the expandable segments the worker asks for.

    What was reserved stays reserved until memory runs out; so a run that would hold more than is
    free is tried again within what is free, and counts by that where it goes through.
    """
    ends = [*list(trace.starts.values())[1:], len(trace.stream)]
    # transformers reserves the weights in one block before they are read
    preload = trace.peaks["load"].parts[_BASE]
    free = int((card.free_gib - card.context_gib) * GIB)
    whole = replay(trace.stream, preload=preload)
    limit = None
    if whole.reserved_peak > free > MIB:
        bounded = replay(trace.stream, preload=preload, limit_bytes=free)
        if bounded.out_of_memory is None:
            whole, limit = bounded, free

    def until(end: int) -> Reserved:
        if end == len(trace.stream):
            return whole
        return replay(trace.stream[:end], preload=preload, limit_bytes=limit)

    held = {name: until(end).reserved_peak for name, end in zip(trace.starts, ends, strict=True)}
    return Held(held, whole.retries)
