"""Walks one forward and backward pass on sizes alone and finds the moment of most live bytes.

It does what autograd and reference counting do: a tensor lives while a Python name or a backward
function holds it, a gradient until it is consumed, and gradients of one tensor are summed in place
where nothing else holds the first of them (`InputBuffer::accumulate` in torch's engine). So a peak
is derived from the list of operations, with no constant that was fitted to a measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class Tag(IntEnum):
    """What a byte is for; the peak is split by it."""

    ACTIVATION = 0
    WORKSPACE = 1
    GRADIENT = 2
    LOSS = 3


@dataclass(frozen=True, slots=True)
class Peak:
    """Bytes that were live at the worst moment, split by tag."""

    total: int
    parts: tuple[int, ...]


class Tensor:
    """A tensor as element count and bytes per element; views share `storage`.

    `needs_gradient` is torch's `requires_grad`: what follows from tensors without it, and without
    trained weights, keeps nothing for a backward pass.
    """

    __slots__ = ("elements", "item", "needs_gradient", "storage")

    def __init__(self, elements: int, item: int, storage: int) -> None:
        self.elements = elements
        self.item = item
        self.storage = storage
        self.needs_gradient = True


@dataclass(slots=True)
class _Op:
    out: Tensor
    inputs: Sequence[Tensor]
    aliases: Sequence[bool]
    saved: list[int]
    temporary: Sequence[tuple[int, Tag]]
    weight_gradients: int


class Tape:
    """One pass over a piece of a model.

    `granule` is the allocator's rounding in bytes; with `keep` off nothing is saved for a backward
    pass (evaluation, or the first pass under checkpointing). `recomputes` says that the layer is
    checkpointed, so that what functions hold as attributes of their own stays of its first pass.
    `accumulating` says that every weight has its gradient already, so a new one lives only until
    it is added.
    """

    def __init__(
        self, *, granule: int, keep: bool, accumulating: bool, recomputes: bool = False
    ) -> None:
        self.keep = keep
        self._recomputes = recomputes
        self._granule = granule
        self._accumulating = accumulating
        self._bytes: list[int] = []
        self._tags: list[Tag] = []
        self._holders: list[int] = []
        self._ops: list[_Op] = []
        self._live = [0] * len(Tag)
        self._total = 0
        self._peak = 0
        self._peak_parts = tuple(self._live)

    @property
    def live(self) -> tuple[int, ...]:
        """Bytes live now, by tag."""
        return tuple(self._live)

    @property
    def peak(self) -> Peak:
        return Peak(self._peak, self._peak_parts)

    def forget_peak(self) -> None:
        """Start a new peak from what lives now."""
        self._peak = self._total
        self._peak_parts = tuple(self._live)

    def new(self, elements: int, item: int, tag: Tag = Tag.ACTIVATION) -> Tensor:
        """A fresh tensor held by one name."""
        return Tensor(elements, item, self._allocate(elements * item, tag))

    def same(self, tensor: Tensor) -> Tensor:
        """One more name for a tensor."""
        self._holders[tensor.storage] += 1
        return tensor

    def drop(self, *tensors: Tensor) -> None:
        """A name of each tensor went away."""
        for tensor in tensors:
            self._release(tensor.storage)

    def pulse(self, size: int, tag: Tag = Tag.WORKSPACE) -> None:
        """Bytes that were needed for a moment only."""
        self._release(self._allocate(size, tag))

    def record(
        self,
        out: Tensor,
        inputs: Sequence[Tensor],
        *,
        saved: Sequence[Tensor] = (),
        attached: Sequence[Tensor] = (),
        aliases: Sequence[bool] = (),
        temporary: Sequence[tuple[int, Tag]] = (),
        weight_gradients: int = 0,
        trains: bool = False,
    ) -> Tensor:
        """Note an operation and return its output.

        `saved` is kept until its backward ran, and so is `attached`, which is an attribute of the
        backward function: checkpointing does not see it and does not free it. Backward makes a
        gradient of the size of each input, or passes its own on where `aliases` says so, with
        `temporary` bytes meanwhile;
        `weight_gradients` are bytes of parameter gradients; `trains` says that there is a trained
        weight where they are too small to count.
        """
        if not self.keep:
            for tensor in attached if self._recomputes else ():
                self._holders[tensor.storage] += 1
            return out
        passes = aliases or (False,) * len(inputs)
        wanted = [(t, p) for t, p in zip(inputs, passes, strict=True) if t.needs_gradient]
        out.needs_gradient = bool(wanted or weight_gradients or trains)
        if out.needs_gradient:
            held = saved if self._recomputes else (*saved, *attached)
            storages = [tensor.storage for tensor in held]
            for storage in storages:
                self._holders[storage] += 1
            tensors, passes = [t for t, _ in wanted], [p for _, p in wanted]
            self._ops.append(_Op(out, tensors, passes, storages, temporary, weight_gradients))
        return out

    def backward(self, out: Tensor) -> None:
        """Run the recorded operations backwards from a gradient of `out`; frees what was saved."""
        gradients: dict[int, int] = {id(out): self._allocate(out.elements * out.item)}
        for op in reversed(self._ops):
            incoming = gradients.pop(id(op.out), None)
            if incoming is None:
                for storage in op.saved:
                    self._release(storage)
                continue
            scratch = [self._allocate(size, tag) for size, tag in op.temporary]
            if op.weight_gradients:
                fresh = self._allocate(op.weight_gradients, Tag.GRADIENT)
                if self._accumulating:
                    scratch.append(fresh)
            made = []
            for tensor, passes in zip(op.inputs, op.aliases, strict=True):
                if passes:
                    self._holders[incoming] += 1
                    made.append(incoming)
                else:
                    made.append(self._allocate(tensor.elements * tensor.item))
            self._release(incoming)
            for storage in scratch:
                self._release(storage)
            for storage in op.saved:
                self._release(storage)
            for tensor, storage in zip(op.inputs, made, strict=True):
                self._accumulate(gradients, id(tensor), storage, tensor)
        self._ops.clear()
        for storage in gradients.values():
            self._release(storage)

    def _accumulate(
        self, gradients: dict[int, int], key: int, storage: int, tensor: Tensor
    ) -> None:
        earlier = gradients.get(key)
        if earlier is None:
            gradients[key] = storage
        elif self._holders[earlier] == 1:
            self._release(storage)
        else:
            gradients[key] = self._allocate(tensor.elements * tensor.item)
            self._release(earlier)
            self._release(storage)

    def _allocate(self, size: int, tag: Tag = Tag.ACTIVATION) -> int:
        rounded = -(-size // self._granule) * self._granule
        self._bytes.append(rounded)
        self._tags.append(tag)
        self._holders.append(1)
        self._live[tag] += rounded
        self._total += rounded
        if self._total > self._peak:
            self._peak = self._total
            self._peak_parts = tuple(self._live)
        return len(self._bytes) - 1

    def _release(self, storage: int) -> None:
        self._holders[storage] -= 1
        if self._holders[storage] == 0:
            self._live[self._tags[storage]] -= self._bytes[storage]
            self._total -= self._bytes[storage]
