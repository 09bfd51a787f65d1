"""What torch's CUDA caching allocator reserves for a stream of allocations.

The rules are those of c10/cuda/CUDACachingAllocator.cpp (torch 2.13), for one stream of work: sizes
in units of 512 bytes, a pool of small and one of large blocks, best fit, splitting and merging, and
nothing given back to the driver until an allocation fails. With expandable segments (the worker's
default) each pool is a single range of addresses that is mapped page by page as it grows.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass

MIB = 2**20
_GRANULE = 512  # kMinBlockSize
_SMALL = MIB  # kSmallSize: larger requests come from the large pool
_SMALL_SEGMENT = 2 * MIB  # kSmallBuffer
_LARGE_SEGMENT = 20 * MIB  # kLargeBuffer
_OWN_SEGMENT = 10 * MIB  # kMinLargeAlloc: from here on a segment is made to measure
_LARGE_STEP = 2 * MIB  # kRoundLarge


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The request that failed, and what was held at that moment; bytes."""

    requested: int
    allocated: int
    reserved: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """Bytes after a stream: what blocks in use hold, and what the driver has given, with peaks.

    `retries` counts the times that cached blocks had to be given back to serve a request.
    """

    allocated: int
    reserved: int
    allocated_peak: int
    reserved_peak: int
    retries: int
    out_of_memory: OutOfMemory | None = None


def replay(
    stream: Iterable[tuple[int, int]],
    *,
    expandable: bool = True,
    limit_bytes: int | None = None,
    preload: int = 0,
) -> Reserved:
    """Feed allocations and releases to an empty allocator.

    `stream` holds `(block, num_bytes)`: above 0 allocates, 0 frees; a block that was never
    allocated is not freed. `preload` bytes are allocated in one block and freed before all else, as
    transformers' `caching_allocator_warmup` does while it loads. `limit_bytes` is what the driver
    can give; past it the stream ends with `out_of_memory`.
    """
    allocator = _Allocator(expandable, limit_bytes)
    blocks: dict[int, _Block] = {}
    failed = None
    if preload > 0:
        warm = allocator.allocate(preload)
        if warm is not None:
            allocator.free(warm)
    for name, num_bytes in stream:
        if num_bytes > 0:
            block = allocator.allocate(num_bytes)
            if block is None:
                failed = OutOfMemory(num_bytes, allocator.allocated, allocator.reserved)
                break
            blocks[name] = block
        else:
            held = blocks.pop(name, None)
            if held is not None:
                allocator.free(held)
    return Reserved(
        allocated=allocator.allocated,
        reserved=allocator.reserved,
        allocated_peak=allocator.allocated_peak,
        reserved_peak=allocator.reserved_peak,
        retries=allocator.retries,
        out_of_memory=failed,
    )


class _Block:
    """A range of addresses; `mapped` says that the driver has given memory for it."""

    __slots__ = ("address", "after", "before", "in_use", "mapped", "pool", "size")

    def __init__(self, pool: _Pool, address: int, size: int, *, mapped: bool = True) -> None:
        self.pool, self.address, self.size = pool, address, size
        self.before: _Block | None = None
        self.after: _Block | None = None
        self.in_use = False
        self.mapped = mapped

    @property
    def key(self) -> tuple[int, int]:
        return (self.size, self.address)


class _Pool:
    """Free blocks by size, then address."""

    def __init__(self, *, is_small: bool) -> None:
        self.is_small = is_small
        self.page = _SMALL_SEGMENT if is_small else _LARGE_SEGMENT
        self.keys: list[tuple[int, int]] = []
        self.free: dict[int, _Block] = {}
        self.tail: _Block | None = None
        """The part of the expandable range that was never mapped."""
        self.holes: list[_Block] = []
        """Parts of it that were unmapped again."""

    def add(self, block: _Block) -> None:
        insort(self.keys, block.key)
        self.free[block.address] = block

    def remove(self, block: _Block) -> None:
        del self.keys[bisect_left(self.keys, block.key)]
        del self.free[block.address]

    def fitting(self, size: int) -> _Block | None:
        """The smallest free block that is large enough, the lowest of equals."""
        index = bisect_left(self.keys, (size, 0))
        return self.free[self.keys[index][1]] if index < len(self.keys) else None


class _Allocator:
    def __init__(self, expandable: bool, limit: int | None) -> None:
        self.expandable, self.limit = expandable, limit
        self.allocated = self.reserved = self.allocated_peak = self.reserved_peak = 0
        self.retries = 0
        self._pools = (_Pool(is_small=True), _Pool(is_small=False))
        self._top = 0  # addresses are handed out upwards and never again

    def allocate(self, num_bytes: int) -> _Block | None:
        """A block of at least that size; None where memory ran out."""
        size = max(-(-num_bytes // _GRANULE) * _GRANULE, _GRANULE)
        pool = self._pools[0 if size <= _SMALL else 1]
        block = pool.fitting(size)
        if block is not None:
            pool.remove(block)
        else:
            block = self._grow(pool, size)
            if block is None:
                self.retries += 1
                self._release_cached()
                block = self._grow(pool, size)
                if block is None:
                    return None
        self._split(block, size)
        block.in_use = True
        self.allocated += block.size
        self.allocated_peak = max(self.allocated_peak, self.allocated)
        return block

    def free(self, block: _Block) -> None:
        block.in_use = False
        self.allocated -= block.size
        self._merge(block)
        block.pool.add(block)

    def _split(self, block: _Block, size: int) -> None:
        """Give back what a block has beyond `size`, where the rules allow it."""
        rest = block.size - size
        whole = not (self.expandable or block.pool.is_small)
        if rest < _GRANULE or (whole and rest <= _SMALL):
            return
        remaining = _Block(block.pool, block.address + size, rest)
        block.size = size
        _link(remaining, block.after)
        _link(block, remaining)
        block.pool.add(remaining)

    def _merge(self, block: _Block) -> None:
        """Join a free block, not in the pool's list, with free neighbours of its segment."""
        before, after = block.before, block.after
        if before is not None and before.mapped and not before.in_use:
            block.pool.remove(before)
            block.address = before.address
            block.size += before.size
            _link(before.before, block)
        if after is not None and after.mapped and not after.in_use:
            block.pool.remove(after)
            block.size += after.size
            _link(block, after.after)

    def _grow(self, pool: _Pool, size: int) -> _Block | None:
        """A free block of at least `size`, not in the pool's list, from new memory."""
        wanted = _segment_size(size)
        return self._expand(pool, wanted) if self.expandable else self._segment(pool, wanted)

    def _segment(self, pool: _Pool, size: int) -> _Block | None:
        if not self._take(size):
            return None
        block = _Block(pool, self._top, size)
        self._top += size
        return block

    def _expand(self, pool: _Pool, size: int) -> _Block | None:
        """Map pages behind the lowest place where free and unmapped addresses suffice."""
        if pool.tail is None:
            pool.tail = _Block(pool, self._top, 2**60, mapped=False)
            self._top += 2**61
        hole = min(
            (h for h in (*pool.holes, pool.tail) if _room(h) >= size), key=lambda h: h.address
        )
        before = hole.before
        if before is not None and before.mapped and not before.in_use:
            block = before
            pool.remove(block)
        else:
            block = _Block(pool, hole.address, 0)
            _link(before, block)
            _link(block, hole)
        while block.size < size:
            following = block.after
            if following is None:
                raise AssertionError("the range has an unmapped end")
            if following.mapped:  # a free block between two holes
                pool.remove(following)
                block.size += following.size
                _link(block, following.after)
                continue
            grown = min(-(-(size - block.size) // pool.page) * pool.page, following.size)
            if not self._take(grown):
                self._put_back(block)
                return None
            block.size += grown
            following.address += grown
            following.size -= grown
            if following.size == 0:
                pool.holes.remove(following)
                _link(block, following.after)
        after = block.after
        if after is not None and after.mapped and not after.in_use:
            pool.remove(after)
            block.size += after.size
            _link(block, after.after)
        return block

    def _put_back(self, block: _Block) -> None:
        if block.size:
            block.pool.add(block)
        else:
            _link(block.before, block.after)

    def _take(self, size: int) -> bool:
        if self.limit is not None and self.reserved + size > self.limit:
            return False
        self.reserved += size
        self.reserved_peak = max(self.reserved_peak, self.reserved)
        return True

    def _release_cached(self) -> None:
        """Give all that lies unused back to the driver: whole segments, or whole pages."""
        for pool in self._pools:
            for block in list(pool.free.values()):
                if self.expandable:
                    self._unmap(pool, block)
                elif block.before is None and block.after is None:
                    pool.remove(block)
                    self.reserved -= block.size

    def _unmap(self, pool: _Pool, block: _Block) -> None:
        tail = pool.tail
        if tail is None:
            return
        start = _range_start(block)
        first = start + -(-(block.address - start) // pool.page) * pool.page
        last = start + (block.address + block.size - start) // pool.page * pool.page
        if last <= first:
            return
        pool.remove(block)
        left, right = first - block.address, block.address + block.size - last
        before, after = block.before, block.after
        hole = _Block(pool, first, last - first, mapped=False)
        pool.holes.append(hole)
        for size, address in ((left, block.address), (right, last)):
            if not size:
                continue
            part = _Block(pool, address, size)
            pool.add(part)
            if address == last:
                _link(part, after)
                after = part
            else:
                _link(before, part)
                before = part
        _link(before, hole)
        _link(hole, after)
        self.reserved -= hole.size
        self._join_holes(pool, hole)

    def _join_holes(self, pool: _Pool, hole: _Block) -> None:
        before, after = hole.before, hole.after
        if before is not None and not before.mapped:
            pool.holes.remove(hole)
            before.size += hole.size
            _link(before, hole.after)
            hole = before
        if after is not None and not after.mapped:
            pool.holes.remove(hole)
            after.address = hole.address
            after.size += hole.size
            _link(hole.before, after)


def _segment_size(size: int) -> int:
    if size <= _SMALL:
        return _SMALL_SEGMENT
    if size < _OWN_SEGMENT:
        return _LARGE_SEGMENT
    return -(-size // _LARGE_STEP) * _LARGE_STEP


def _room(hole: _Block) -> int:
    """Bytes that a request could have here: the hole, and free memory on both sides of it."""
    before = hole.before
    room = before.size if before is not None and before.mapped and not before.in_use else 0
    block: _Block | None = hole
    while block is not None and not block.in_use:
        room += block.size
        block = block.after
    return room


def _range_start(block: _Block) -> int:
    while block.before is not None:
        block = block.before
    return block.address


def _link(left: _Block | None, right: _Block | None) -> None:
    if left is not None:
        left.after = right
    if right is not None:
        right.before = left
