"""Gathers the facts of this box: slow answers in threads, each with its own limit."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from engine.doctor.deep.recorded import recorded_deep
from engine.doctor.facts import Box, GpuFacts, HubFacts
from engine.doctor.gpu import ask_driver, read_gpus
from engine.doctor.host import Host
from engine.doctor.hub import read_hub
from engine.doctor.hub_network import TIMEOUT_S, ask_hub
from engine.doctor.limits import read_limits
from engine.doctor.platform import read_platform
from engine.doctor.stack import read_stack
from engine.doctor.storage import read_storage
from engine.doctor.terminal import read_terminal

# The driver takes seconds per card to wake where its persistence mode is off.
DRIVER_TIMEOUT_S = 8.0

T = TypeVar("T")


# Told of a box whose late parts, "driver" or "hub", are not known yet.
Early = Callable[[Box, frozenset[str]], None]


def gather(host: Host, early: Early | None = None) -> Box:
    """Read everything the checks need; `early` is told what is known while answers are due."""
    gpu = _Driver(host)
    hub = _Hub(host)
    stack = read_stack(host)
    limits = read_limits(host)
    storage = read_storage(host)
    terminal = read_terminal(host)
    platform = read_platform(host)
    deep = recorded_deep(host)
    box = Box(gpu.known, stack, limits, storage, hub.known, terminal, platform, deep)
    if early is not None:
        early(box, frozenset({"driver", "hub"}) if gpu.known.handed else frozenset({"hub"}))
    box = replace(box, gpu=gpu.told())
    if early is not None and box.gpu.handed:
        early(box, frozenset({"hub"}))
    return replace(box, hub=hub.told())


def renew(host: Host, box: Box, group: str) -> Box:
    """The box with what one group of checks looks at read anew, all of it for other groups."""
    match group:
        case "GPU":
            return replace(box, gpu=_Driver(host).told())
        case "torch" | "Python":
            return replace(box, stack=read_stack(host))
        case "memory and processors":
            return replace(box, limits=read_limits(host))
        case "disk":
            return replace(box, storage=read_storage(host))
        case "hub":
            return replace(box, hub=_Hub(host).told())
        case "terminal":
            return replace(box, terminal=read_terminal(host))
        case _:
            return replace(gather(host), deep=box.deep)


class _Driver:
    """The GPUs: their device files at once, the driver's answer when it is there."""

    def __init__(self, host: Host) -> None:
        self.known = known = read_gpus(host)
        # a recording may hold the answers without the device files
        asks = known.handed or host.is_recorded
        self._answer = _Answer(lambda: ask_driver(known, host)) if asks else None

    def told(self) -> GpuFacts:
        late = replace(self.known, trouble=f"no answer within {DRIVER_TIMEOUT_S:g} s")
        return self._answer.within(DRIVER_TIMEOUT_S, late) if self._answer else self.known


class _Hub:
    """The hub's settings at once, its answer when it is there."""

    def __init__(self, host: Host) -> None:
        self.known = known = read_hub(host)
        self._answer = _Answer(lambda: ask_hub(known, host))

    def told(self) -> HubFacts:
        late = self.known
        if not late.offline:
            trouble = f"no answer within {TIMEOUT_S:g} s"
            late = replace(late, reachable=False, trouble=trouble)
        return self._answer.within(TIMEOUT_S, late)


class _Answer(Generic[T]):
    """A question asked in a thread that may be left behind: it is a daemon."""

    def __init__(self, question: Callable[[], T]) -> None:
        self._box: queue.SimpleQueue[T] = queue.SimpleQueue()
        threading.Thread(target=lambda: self._box.put(question()), daemon=True).start()

    def within(self, timeout_s: float, otherwise: T) -> T:
        try:
            return self._box.get(timeout=timeout_s)
        except queue.Empty:
            return otherwise
