"""When a disk will be full, from what was seen of it over some minutes."""

from __future__ import annotations

import pytest

from engine.doctor.filling import Filling


class Disk:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.filling = Filling(lambda: self.now_s)

    def see(self, free_gib: float | None, after_s: float = 1.0) -> float | None:
        self.now_s += after_s
        return self.filling.full_in_s(free_gib)


def test_a_steady_pace_is_extended_to_the_end() -> None:
    disk = Disk()
    told = [disk.see(100 - 0.01 * second) for second in range(601)]
    assert told[30] is None  # too early to speak of a pace
    assert told[-1] == pytest.approx(9400, rel=0.01)


def test_a_disk_that_rests_or_is_cleared_says_nothing() -> None:
    disk = Disk()
    assert {disk.see(50.0) for _ in range(300)} == {None}
    assert {disk.see(50.0 + second) for second in range(300)} == {None}


def test_one_checkpoint_is_a_slow_pace_once_it_is_spread_over_time() -> None:
    disk = Disk()
    for _ in range(100):
        disk.see(100.0)
    early = disk.see(95.0)
    late = None
    for _ in range(700):
        late = disk.see(95.0)
    assert early is not None and late is not None
    assert late > 5 * early


def test_what_filled_it_long_ago_is_forgotten() -> None:
    disk = Disk()
    for second in range(300):
        disk.see(100 - 0.1 * second)
    assert [disk.see(70.0) for _ in range(1300)][-1] is None


def test_a_disk_that_cannot_be_asked_begins_anew() -> None:
    disk = Disk()
    for second in range(300):
        disk.see(100 - 0.1 * second)
    assert disk.see(None) is None
    assert disk.see(70.0) is None
