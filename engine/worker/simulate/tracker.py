"""Follows the birth and death of every storage under a dispatch mode, and whom its bytes serve.

Entered inside a FakeTensorMode and before the modes that model a device's kernels:

    with FakeTensorMode(), Tracker(granule) as tracker, *corrections: ...

A mode entered after the tracker sees an operator first. What it allocates while it answers one
(`torch.empty`, other operators) reaches the tracker like any other tensor; with
`tracker.serving("workspace")` round it the bytes are booked there. So a correction is an ordinary
TorchDispatchMode or TorchFunctionMode, without any interface of ours.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
)
from torch.utils._python_dispatch import TorchDispatchMode

from engine.memory.budget import TENSOR_COMPONENTS
from engine.worker.simulate.unknown import stand_in

Component = Literal[
    "base weights",
    "adapter",
    "gradients",
    "optimizer",
    "activations",
    "logits and loss",
    "workspace",
]
_INDEX: dict[str, int] = {name: index for index, name in enumerate(TENSOR_COMPONENTS)}
# operators whose result is a quantised weight in full, needed for one product only
_DEVICE = torch.ops.prim.device.default
_TO = torch.ops.prims.convert_element_type.default
_GROUPED = torch.ops.aten._grouped_mm.default
_DEQUANTISES = ("bitsandbytes::dequantize", "bitsandbytes::int8_")


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest moment of a phase: its name and the bytes per `TENSOR_COMPONENTS`."""

    moment: str
    parts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.parts)


class Tracker(TorchDispatchMode):
    """Live bytes by component, the peak of each phase, and the stream of allocations.

    Sizes count rounded up to `granule` bytes, as the device's allocator counts them; `stream` has
    them as asked for: `(block, num_bytes)` where a block is born, `(block, 0)` where it dies.
    """

    def __init__(self, granule: int = 1) -> None:
        super().__init__()
        self.granule = granule
        self.live = [0] * len(TENSOR_COMPONENTS)
        self.total = 0
        self.stream: list[tuple[int, int]] = []
        self.peaks: dict[str, Peak] = {}
        self.moment = ""
        self.assumed: set[str] = set()
        self._blocks: dict[int, _Block] = {}
        self._component = _INDEX["activations"]
        self._phase = ""
        self._highest = 0
        self._next = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is _DEVICE:  # asked more often than anything else is done
            return args[0].fake_device
        if func is _GROUPED and args[0].dtype != torch.bfloat16:
            # its fake form takes bfloat16 alone, its kernels every format
            narrow = (args[0].bfloat16(), args[1].bfloat16(), *args[2:])
            args, func = (func(*narrow, **(kwargs or {})), args[0].dtype), _TO
            kwargs = None
        try:
            result = func(*args, **(kwargs or {}))
        except (DataDependentOutputException, DynamicOutputShapeException):
            result, said = stand_in(func, args, kwargs or {})
            self.assumed.add(said)
        if isinstance(result, torch.Tensor):
            self._meet(result, func)
        elif isinstance(result, (tuple, list)):
            for leaf in result:
                if isinstance(leaf, torch.Tensor):
                    self._meet(leaf, func)
        return result

    def begin(self, phase: str, moment: str) -> None:
        """Start a phase: what is live now is the first candidate for its peak."""
        self._phase, self.moment = phase, moment
        held = self.peaks.get(phase)
        self._highest = held.total if held else 0
        self._look()

    def adopt(self, tensors: Iterable[torch.Tensor | None], component: Component) -> None:
        """Book these tensors' storages under `component`, whether seen before or not."""
        index = _INDEX[component]
        for tensor in tensors:
            if tensor is None:
                continue
            block = self._blocks.get(tensor.untyped_storage()._cdata)
            if block is None:
                self._birth(tensor.untyped_storage(), index)
            elif block.index != index:
                self.live[block.index] -= block.size
                self.live[index] += block.size
                block.index = index

    @contextmanager
    def serving(self, component: Component) -> Iterator[None]:
        """What is born inside is booked under `component`."""
        before, self._component = self._component, _INDEX[component]
        try:
            yield
        finally:
            self._component = before

    def serve(self, component: Component) -> None:
        """What is born from now on is booked under `component`."""
        self._component = _INDEX[component]

    def _meet(self, tensor: torch.Tensor, func: Any) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._blocks:
            spaces = func.name().startswith(_DEQUANTISES)
            self._birth(storage, _INDEX["workspace"] if spaces else self._component)

    def _birth(self, storage: torch.UntypedStorage, index: int) -> None:
        num_bytes = storage.nbytes()
        if not num_bytes:
            return
        key = storage._cdata
        granule = self.granule
        size = -(-num_bytes // granule) * granule
        number = self._next
        self._next += 1
        watch = weakref.ref(storage, partial(self._death, key))
        self._blocks[key] = _Block(number, size, index, watch)
        self.stream.append((number, num_bytes))
        self.live[index] += size
        self.total += size
        self._look()

    def _death(self, key: int, _: Any) -> None:
        block = self._blocks.pop(key)
        self.stream.append((block.number, 0))
        self.live[block.index] -= block.size
        self.total -= block.size

    def _look(self) -> None:
        if self.total > self._highest and self._phase:
            self._highest = self.total
            self.peaks[self._phase] = Peak(self.moment, tuple(self.live))


class _Block:
    __slots__ = ("index", "number", "size", "watch")

    def __init__(self, number: int, size: int, index: int, watch: Any) -> None:
        self.number, self.size, self.index, self.watch = number, size, index, watch
