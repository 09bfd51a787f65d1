"""Limits of the container: cgroup versions 1 and 2, the smallest over all ancestors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# Version 1 writes "no limit" as the largest multiple of a page below 2^63.
_NO_LIMIT_BYTES = 2**60


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The tightest memory limit above this process and what is used under it, in bytes."""

    limit_bytes: int
    used_bytes: int


def memory_limit(root: Path) -> MemoryLimit | None:
    """The tightest limit, or None where there is none; the page cache does not count as used."""
    tightest: MemoryLimit | None = None
    for folder in _folders(root, "memory"):
        limit = _number(folder / "memory.max", folder / "memory.limit_in_bytes")
        if limit is None or limit >= _NO_LIMIT_BYTES:
            continue
        if tightest is None or limit < tightest.limit_bytes:
            used = _number(folder / "memory.current", folder / "memory.usage_in_bytes") or 0
            stat = _table(folder / "memory.stat")
            cache = stat.get("total_inactive_file", stat.get("inactive_file", 0))
            tightest = MemoryLimit(limit, max(used - cache, 0))
    return tightest


def oom_kills(root: Path) -> int:
    """How many processes the memory limit has killed since the container began."""
    counts = [0]
    for folder in _folders(root, "memory"):
        for name in ("memory.events", "memory.oom_control"):
            counts.append(_table(folder / name).get("oom_kill", 0))
    return max(counts)


def cpu_quota(root: Path) -> float | None:
    """Processors' worth of time per second, or None where it is not limited."""
    quotas = []
    for folder in _folders(root, "cpu"):
        words = _text(folder / "cpu.max").split()
        if not words:
            quota, period = (_text(folder / f"cpu.cfs_{n}_us").strip() for n in ("quota", "period"))
            words = [quota, period]
        if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]) > 0:
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas) if quotas else None


def processes_left(root: Path) -> int | None:
    """How many more processes and threads the control group lets be made; None for no limit."""
    left = []
    for folder in _folders(root, "pids"):
        limit = _number(folder / "pids.max")
        if limit is not None:
            left.append(limit - (_number(folder / "pids.current") or 0))
    return max(min(left), 0) if left else None


def memory_pressure(root: Path) -> float | None:
    """Percent of the last minute in which every process here waited for memory; None unknown."""
    texts = [_text(folder / "memory.pressure") for folder in _folders(root, "memory")]
    for text in [*reversed(texts), _text(root / "proc/pressure/memory")]:
        found = re.search(r"^full .*?avg60=([\d.]+)", text, re.MULTILINE)
        if found:
            return float(found[1])
    return None


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """The control folders from the hierarchy's root down to this process's own.

    In a container that sees the host's paths the deeper ones do not exist; the mount's own root
    is then the container's group.
    """
    base, path = _place(root, controller)
    yield base
    for part in PurePosixPath(path).parts:
        if part not in ("/", "..", "."):
            base = base / part
            yield base


def _place(root: Path, controller: str) -> tuple[Path, str]:
    top = root / "sys/fs/cgroup"
    unified = "/"
    for line in _text(root / "proc/self/cgroup").splitlines():
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller in controllers.split(","):
            named = top / controllers
            return (named if named.is_dir() else top / controller), path
        if hierarchy == "0" and not controllers:
            unified = path
    return top, unified


def _number(*files: Path) -> int | None:
    """The first of the files that holds a number; `max` is none."""
    for file in files:
        text = _text(file).strip()
        if text.isdigit():
            return int(text)
    return None


def _table(file: Path) -> dict[str, int]:
    """A file of `name number` lines."""
    pairs = (line.split() for line in _text(file).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
