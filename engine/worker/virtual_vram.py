"""Virtual VRAM: a byte limit on live tensors that raises a real out-of-memory error on a CPU.

Every storage born under the mode is counted until it is freed. With it each out-of-memory path
runs for real in tests and in the demo, without a GPU.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ENVIRONMENT = "TAILFIN_VIRTUAL_VRAM_MIB"
_MIB = 1024**2


@contextmanager
def virtual_vram(model: torch.nn.Module | None = None) -> Iterator[Meter | None]:
    """Apply the limit from TAILFIN_VIRTUAL_VRAM_MIB, if it is set; the model's own bytes count.

    Gives the meter that counts, None without a limit.
    """
    limit = os.environ.get(ENVIRONMENT)
    if not limit:
        yield None
        return
    meter = Meter(int(float(limit) * _MIB))
    if model is not None:
        for tensor in [*model.parameters(), *model.buffers()]:
            meter.count(tensor)
    with meter:
        yield meter


class Meter(TorchDispatchMode):
    """Counts live storages in bytes; above `limit_bytes` it raises torch.OutOfMemoryError."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__()
        self.limit_bytes = limit_bytes
        self.live_bytes = 0
        self.peak_bytes = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.count(leaf)
        return result

    def count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        num_bytes = storage.nbytes()
        if self.live_bytes + num_bytes > self.limit_bytes:
            raise torch.OutOfMemoryError(
                f"CUDA out of memory. Tried to allocate {num_bytes / _MIB:.2f} MiB. GPU 0 has a "
                f"total capacity of {self.limit_bytes / _MIB:.2f} MiB of which "
                f"{(self.limit_bytes - self.live_bytes) / _MIB:.2f} MiB is free (virtual VRAM)."
            )
        self._known.add(key)
        self.live_bytes += num_bytes
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        weakref.finalize(storage, self._forget, key, num_bytes)

    def _forget(self, key: int, num_bytes: int) -> None:
        self._known.discard(key)
        self.live_bytes -= num_bytes
