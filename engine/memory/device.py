"""The device of this machine as a card: its GPU with what is free of it, else its RAM."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.memory.cards import Card, card_of_driver, context_of

if TYPE_CHECKING:
    from engine.doctor.facts import Gpu

_GIB = 2**30


def this_device(env: Mapping[str, str] | None = None, root: Path = Path("/")) -> Card:
    """The first GPU that torch would see here, asked through the driver; else RAM or its cgroup.

    Can take seconds where the driver sleeps.
    """
    from engine.doctor.gpu import ask_driver, read_gpus
    from engine.doctor.host import Host

    env = os.environ if env is None else env
    host = Host(env, root)
    known = read_gpus(host)
    gpu = first_visible(ask_driver(known, host).gpus, env) if known.handed else None
    if gpu is None:
        return this_ram(root)
    listed = card_of_driver(gpu.name)
    return Card(
        name=gpu.name,
        usable_gib=gpu.vram_gib,
        capability=gpu.capability,
        context_gib=context_of(gpu.name),
        taken_gib=gpu.vram_gib - gpu.free_gib,
        tflops=listed.tflops if listed else 0.0,
    )


def first_visible(gpus: tuple[Gpu, ...], env: Mapping[str, str]) -> Gpu | None:
    """The card that becomes cuda:0 under CUDA_VISIBLE_DEVICES."""
    named = env.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return gpus[0] if gpus else None
    first = named.split(",")[0].strip()
    if not first.isdigit():  # empty or -1 hides all; a UUID names a card that has no index here
        return gpus[0] if gpus and first.startswith(("GPU-", "MIG-")) else None
    return next((gpu for gpu in gpus if gpu.index == int(first)), None)


def this_ram(root: Path = Path("/")) -> Card:
    """RAM of this machine, or of its container where that has less."""
    import psutil

    from engine.doctor.cgroup import memory_limit

    memory = psutil.virtual_memory()
    name, total, taken = "RAM", memory.total, memory.total - memory.available
    limit = memory_limit(root)
    if limit is not None and limit.limit_bytes < total:
        name, total, taken = "the container's RAM", limit.limit_bytes, limit.used_bytes
    return Card(name, total / _GIB, (0, 0), 0.0, is_gpu=False, taken_gib=taken / _GIB)
