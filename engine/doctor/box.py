"""Gathers the facts of this box: slow answers in threads, each with its own limit."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from engine.doctor.facts import Box
from engine.doctor.gpu import ask_driver, read_nodes
from engine.doctor.hub import TIMEOUT_S, ask_hub, read_hub
from engine.doctor.limits import read_limits
from engine.doctor.stack import read_stack
from engine.doctor.storage import places, read_storage
from engine.doctor.terminal import read_terminal

# The driver takes seconds per card to wake where its persistence mode is off.
DRIVER_TIMEOUT_S = 8.0

T = TypeVar("T")


def gather(env: Mapping[str, str], root: Path = Path("/")) -> Box:
    """Read everything the checks need; /proc, /sys and /dev are looked for below `root`."""
    gpu = read_nodes(root, env)
    hub = read_hub(root, env)
    driver = _Answer(lambda: ask_driver(gpu)) if gpu.handed else None
    knock = _Answer(lambda: ask_hub(hub))
    stack = read_stack(env)
    limits = read_limits(root, env)
    storage = read_storage(places(env))
    terminal = read_terminal(env)
    if driver is not None:
        late = replace(gpu, trouble=f"no answer within {DRIVER_TIMEOUT_S:g} s")
        gpu = driver.within(DRIVER_TIMEOUT_S, late)
    hub = knock.within(TIMEOUT_S, replace(hub, reachable=None if hub.offline else False))
    return Box(gpu, stack, limits, storage, hub, terminal)


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
