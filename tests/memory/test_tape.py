"""The tape holds what autograd holds, no longer and no shorter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.memory.tape import Tag, Tape


def _tape(*, keep: bool = True, accumulating: bool = False, granule: int = 1) -> Tape:
    return Tape(granule=granule, keep=keep, accumulating=accumulating)


def test_a_tensor_lives_while_it_is_named_or_saved() -> None:
    tape = _tape()
    x = tape.new(10, 4)
    y = tape.record(tape.new(5, 2), [x], saved=[x])
    assert tape.live[Tag.ACTIVATION] == 50
    tape.drop(x)
    assert tape.live[Tag.ACTIVATION] == 50
    tape.drop(y)
    assert tape.live[Tag.ACTIVATION] == 40
    tape.backward(y)
    assert sum(tape.live) == 0


def test_nothing_is_saved_without_keep() -> None:
    tape = _tape(keep=False)
    x = tape.new(10, 4)
    y = tape.record(tape.new(5, 2), [x], saved=[x])
    tape.drop(x)
    assert tape.live[Tag.ACTIVATION] == 10
    tape.drop(y)


def test_the_peak_is_split_by_tag() -> None:
    tape = _tape()
    x = tape.new(10, 1)
    tape.pulse(100)
    tape.new(50, 1)
    assert tape.peak.total == 110
    assert tape.peak.parts[Tag.WORKSPACE] == 100
    assert tape.peak.parts[Tag.ACTIVATION] == 10
    tape.drop(x)


def test_gradients_of_one_tensor_are_summed_in_place() -> None:
    tape = _tape()
    x = tape.new(100, 1)
    a = tape.record(tape.new(1, 1), [x])
    b = tape.record(tape.new(1, 1), [x])
    both = tape.record(tape.new(1, 1), [a, b], aliases=[True, True])
    tape.drop(x, a, b, both)
    tape.forget_peak()
    tape.backward(both)
    assert tape.peak.total == 201  # two gradients of x and the one that both shared


def test_a_shared_gradient_is_not_written_into() -> None:
    tape = _tape()
    x = tape.new(100, 1)
    inner = tape.record(tape.new(100, 1), [x])
    out = tape.record(tape.new(100, 1), [x, x, inner], aliases=[True, True, True])
    tape.drop(x, inner, out)
    tape.forget_peak()
    tape.backward(out)
    # the incoming gradient, its sum with itself, and the gradient through `inner`
    assert tape.peak.total == 300


def test_weight_gradients_stay_unless_they_are_added_to_older_ones() -> None:
    for accumulating, left in ((False, 64), (True, 0)):
        tape = _tape(accumulating=accumulating)
        x = tape.new(8, 1)
        y = tape.record(tape.new(8, 1), [x], weight_gradients=64)
        tape.drop(x, y)
        tape.backward(y)
        assert tape.live[Tag.GRADIENT] == left
        assert tape.peak.parts[Tag.GRADIENT] == 64


@given(st.integers(0, 10_000), st.sampled_from([1, 512]))
def test_sizes_are_rounded_as_the_allocator_does(size: int, granule: int) -> None:
    tape = _tape(granule=granule)
    tape.new(size, 1)
    live = sum(tape.live)
    assert live % granule == 0
    assert size <= live < size + granule
