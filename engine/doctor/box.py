"""Gathers the facts of this box: slow answers in threads, each with its own limit."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from engine.doctor.facts import Box
from engine.doctor.gpu import ask_driver, read_nodes
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
    gpu = read_nodes(host.root, host.env)
    hub = read_hub(host)
    driver = _Answer(lambda: ask_driver(gpu, host.nvml)) if gpu.handed else None
    knock = _Answer(lambda: ask_hub(hub, host))
    stack = read_stack(host)
    limits = read_limits(host)
    storage = read_storage(host)
    terminal = read_terminal(host)
    platform = read_platform(host)
    if driver is not None:
        late = replace(gpu, trouble=f"no answer within {DRIVER_TIMEOUT_S:g} s")
        gpu = driver.within(DRIVER_TIMEOUT_S, late)
    hub = knock.within(TIMEOUT_S, replace(hub, reachable=None if hub.offline else False))
    return Box(gpu, stack, limits, storage, hub, terminal, platform)


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
