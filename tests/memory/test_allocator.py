"""The simulated caching allocator: its rules in examples, and what holds for every stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.memory.allocator import MIB, replay

Stream = list[tuple[int, int]]
_SIZES = st.one_of(
    st.integers(1, 4096), st.integers(1, 2 * MIB), st.integers(1, 30 * MIB), st.just(20 * MIB)
)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Allocations and releases in any order; not every block is freed."""
    stream: Stream = []
    live: list[int] = []
    count = draw(st.integers(1, 60))
    releases: list[bool] = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    for number, release in enumerate(releases):
        if live and release:
            stream.append((live.pop(draw(st.integers(0, len(live) - 1))), 0))
        else:
            stream.append((number, draw(_SIZES)))
            live.append(number)
    return stream


@pytest.mark.parametrize(
    ("size", "native", "expandable"),
    [
        (1, 2 * MIB, 2 * MIB),
        (MIB, 2 * MIB, 2 * MIB),
        (MIB + 1, 20 * MIB, 20 * MIB),
        (10 * MIB - 512, 20 * MIB, 20 * MIB),
        (10 * MIB, 10 * MIB, 20 * MIB),
        (21 * MIB, 22 * MIB, 40 * MIB),
    ],
)
def test_the_first_block_of_a_size(size: int, native: int, expandable: int) -> None:
    assert replay([(0, size)], expandable=False).reserved_peak == native
    assert replay([(0, size)]).reserved_peak == expandable


def test_sizes_count_in_units_of_512() -> None:
    assert replay([(0, 1), (1, 513)]).allocated == 512 + 1024


def test_a_large_remainder_is_split_off_and_a_small_one_is_not() -> None:
    """20 MiB hold three requests of 6 MiB; of 12 freed MiB, 11.5 are taken whole."""
    assert replay([(n, 6 * MIB) for n in range(3)], expandable=False).reserved == 20 * MIB
    kept_whole = replay([(0, 12 * MIB), (0, 0), (1, 11 * MIB + MIB // 2)], expandable=False)
    assert kept_whole.allocated == 12 * MIB and kept_whole.reserved == 12 * MIB


def test_the_best_fit_is_taken() -> None:
    """After 40 and 20 MiB were freed, 20 MiB go into the smaller hole and 40 still fit."""
    stream = [(0, 40 * MIB), (1, 20 * MIB), (0, 0), (1, 0), (2, 20 * MIB), (3, 40 * MIB)]
    assert replay(stream, expandable=False).reserved == 60 * MIB


def test_fragments_serve_nothing_larger_but_an_expandable_range_grows() -> None:
    """Growing requests, as rows of growing length make them: each freed before the next."""
    stream = [entry for n in range(1, 11) for entry in ((n, 40 * n * MIB), (n, 0))]
    assert replay(stream, expandable=False).reserved_peak == sum(40 * n for n in range(1, 11)) * MIB
    assert replay(stream).reserved_peak == 400 * MIB


def test_cached_memory_is_given_back_where_a_request_would_fail() -> None:
    stream = [(0, 60 * MIB), (0, 0), (1, 80 * MIB)]
    for expandable in (False, True):
        answer = replay(stream, expandable=expandable, limit_bytes=100 * MIB)
        assert answer.out_of_memory is None and answer.reserved == 80 * MIB
    assert replay(stream, expandable=False, limit_bytes=100 * MIB).retries == 1


@pytest.mark.parametrize("expandable", [False, True])
def test_a_stream_ends_where_memory_does(expandable: bool) -> None:
    stream = [(0, 60 * MIB), (1, 60 * MIB), (2, 512)]
    failed = replay(stream, expandable=expandable, limit_bytes=100 * MIB)
    assert failed.out_of_memory is not None
    assert failed.out_of_memory.requested == 60 * MIB
    assert failed.out_of_memory.allocated == 60 * MIB and failed.allocated == 60 * MIB


def test_the_loaders_block_serves_the_weights() -> None:
    weights = [(n, 25 * MIB) for n in range(4)]
    assert replay(weights, expandable=False, preload=100 * MIB).reserved_peak == 100 * MIB


@given(streams(), st.booleans(), st.sampled_from([None, 40 * MIB, 200 * MIB]))
def test_reserved_holds_what_is_allocated(
    stream: Stream, expandable: bool, limit: int | None
) -> None:
    answer = replay(stream, expandable=expandable, limit_bytes=limit)
    assert 0 <= answer.allocated <= answer.reserved <= answer.reserved_peak
    assert answer.allocated <= answer.allocated_peak <= answer.reserved_peak
    assert answer.reserved % (2 * MIB) == 0
    assert limit is None or answer.reserved_peak <= limit
    assert answer == replay(stream, expandable=expandable, limit_bytes=limit)


@given(streams(), st.booleans())
def test_blocks_in_use_are_counted_exactly(stream: Stream, expandable: bool) -> None:
    """At most a large remainder that was not split off comes on top, and only in segments."""
    live = {}
    for name, size in stream:
        live[name] = -(-size // 512) * 512
    answer = replay(stream, expandable=expandable)
    slack = 0 if expandable else MIB * sum(size > MIB for size in live.values())
    assert 0 <= answer.allocated - sum(live.values()) <= slack


@given(streams(), st.booleans())
def test_all_freed_is_one_piece_again(stream: Stream, expandable: bool) -> None:
    """Freed and merged, everything reserved serves as it did when it was new."""
    live = {name for name, size in stream if size} - {name for name, size in stream if not size}
    emptied = [*stream, *((name, 0) for name in live)]
    empty = replay(emptied, expandable=expandable)
    assert empty.allocated == 0
    if expandable:
        large = _large_pool(empty.reserved, stream)
        refilled = replay([*emptied, (-1, large)], expandable=True) if large > MIB else empty
        assert refilled.reserved == empty.reserved
    small = replay(emptied, expandable=expandable, limit_bytes=empty.reserved_peak)
    assert small.retries == 0


def _large_pool(reserved: int, stream: Stream) -> int:
    """Bytes reserved for requests above 1 MiB: the rest after the small ones were replayed."""
    names = {name for name, size in stream if 0 < size <= MIB}
    return reserved - replay([entry for entry in stream if entry[0] in names]).reserved


@given(streams(), st.sampled_from([30 * MIB, 60 * MIB, 120 * MIB]), st.booleans())
def test_a_limit_below_the_need_fails_and_one_above_does_not(
    stream: Stream, limit: int, expandable: bool
) -> None:
    free = replay(stream, expandable=expandable)
    bounded = replay(stream, expandable=expandable, limit_bytes=limit)
    if _needed(stream) > limit:
        assert bounded.out_of_memory is not None
    if free.reserved_peak <= limit:
        assert bounded.out_of_memory is None and bounded.retries == 0


def _needed(stream: Stream) -> int:
    """Bytes of the live blocks at their highest, each in units of 512."""
    live: dict[int, int] = {}
    highest = 0
    for name, size in stream:
        live[name] = -(-size // 512) * 512
        highest = max(highest, sum(live.values()))
    return highest
