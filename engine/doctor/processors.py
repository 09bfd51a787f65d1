"""How busy the processors are that this container may use."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.doctor.cgroup import _folders

# The kernel counts in hundredths of a second, so a shorter window says nothing.
MIN_WINDOW_S = 0.05


@dataclass(frozen=True, slots=True)
class _Sample:
    """Counters at one moment: the limited group's processor time, and ticks of the processors."""

    time_s: float
    group_s: float | None
    busy: int
    total: int


class Processors:
    """The share of the granted processor time that was used since the last reading.

    Under a quota that is what everything in the limited control group used; without one it is how
    busy the processors are that this process may be scheduled on, whoever keeps them busy.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._allowed = _allowed(root)
        self._share = 0.0
        self._before = self._sample()

    def read(self, cores: float, *, is_limited: bool) -> float:
        """A share from 0 to 1 of `cores`; `is_limited` where a quota grants fewer than there are.

        0 until the first window is long enough to count, and where the system counts nothing.
        """
        now, before = self._sample(), self._before
        elapsed_s = now.time_s - before.time_s
        if elapsed_s < MIN_WINDOW_S:
            return self._share
        if is_limited and now.group_s is not None and before.group_s is not None:
            share = (now.group_s - before.group_s) / (elapsed_s * cores)
        else:
            share = (now.busy - before.busy) / max(now.total - before.total, 1)
        self._before = now
        self._share = min(max(share, 0.0), 1.0)
        return self._share

    def _sample(self) -> _Sample:
        busy, total = _ticks(self._root, self._allowed)
        return _Sample(self._clock(), _group_s(self._root), busy, total)


def _group_s(root: Path) -> float | None:
    """Processor time of the deepest group that has a quota; None where none has."""
    groups = zip(_folders(root, "cpu"), _folders(root, "cpuacct"), strict=False)
    used_s = None
    for folder, accounting in groups:
        quota = _text(folder / "cpu.max") or _text(folder / "cpu.cfs_quota_us")
        if not quota[:1].isdigit():  # `max`, or -1 in version 1
            continue
        used = re.search(r"^usage_usec (\d+)", _text(folder / "cpu.stat"), re.MULTILINE)
        used_ns = _text(accounting / "cpuacct.usage").strip()
        if used:
            used_s = int(used[1]) / 1e6
        elif used_ns.isdecimal():
            used_s = int(used_ns) / 1e9
    return used_s


def _ticks(root: Path, allowed: set[int]) -> tuple[int, int]:
    """Busy ticks and all ticks of these processors, of all where none is named."""
    busy = total = 0
    for number, counts in re.findall(r"^cpu(\d+) ([\d ]+)$", _text(root / "proc/stat"), re.M):
        if allowed and int(number) not in allowed:
            continue
        # user nice system idle iowait irq softirq steal; guests are counted in user already
        ticks = [int(count) for count in counts.split()[:8]]
        total += sum(ticks)
        busy += sum(ticks) - sum(ticks[3:5])
    return busy, total


def _allowed(root: Path) -> set[int]:
    """The processors this process may be scheduled on."""
    status = _text(root / "proc/self/status")
    found = re.search(r"^Cpus_allowed_list:\s*([\d,-]+)", status, re.MULTILINE)
    numbers: set[int] = set()
    for span in found[1].split(",") if found else ():
        first, _, last = span.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
