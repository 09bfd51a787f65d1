"""RAM, processors and per-process limits, read from a recorded /proc and judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.doctor.limits import (
    check_oom_kills,
    check_open_files,
    check_processors,
    check_ram,
    check_shared_memory,
    read_limits,
)
from tests.doctor.boxes import LIMITS, box, only, tree

GIB = 2**30
PROC = {
    "proc/meminfo": "MemTotal:       1056358400 kB\nMemFree: 1 kB\nMemAvailable:  943718400 kB\n",
    "proc/self/status": "Name:\tpython\nCpus_allowed:\tff\nCpus_allowed_list:\t0-5,8,10-11\n",
    "proc/self/limits": "Limit   Soft Limit  Hard Limit  Units\n"
    "Max open files            1024                 1048576              files     \n",
}


def test_a_small_container_on_a_big_machine(tmp_path: Path) -> None:
    # https://github.com/Comfy-Org/ComfyUI/issues/14938: 90 GB allowed, 1007 GB shown
    root = tree(
        tmp_path,
        PROC
        | {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{90 * GIB}",
            "sys/fs/cgroup/memory.current": f"{88 * GIB}",
        },
    )
    limits = read_limits(root, {"OMP_NUM_THREADS": "4"})
    assert round(limits.ram_gib) == 1007
    assert (limits.usable_gib, limits.free_gib) == (90.0, 2.0)
    assert limits.cores == 9
    assert limits.open_files == 1024
    assert limits.omp_threads == "4"
    finding = only(check_ram(box(limits=limits)))
    assert finding.severity == "warn"
    assert "90.0 GiB of RAM within the container's limit (the machine has 1007)" in finding.message


def test_a_machine_without_a_container(tmp_path: Path) -> None:
    limits = read_limits(tree(tmp_path, PROC), {})
    assert limits.cgroup_gib is None
    assert limits.usable_gib == limits.ram_gib
    assert limits.free_gib == pytest.approx(900.0)
    assert only(check_ram(box(limits=limits))).severity == "ok"


def test_an_empty_proc_gives_no_numbers_and_no_error(tmp_path: Path) -> None:
    limits = read_limits(tmp_path, {})
    assert limits.ram_gib == 0
    assert limits.cores >= 1
    assert limits.open_files is None


@pytest.mark.parametrize(
    ("quota", "omp", "severity"),
    [(None, "", "ok"), (16.0, "", "ok"), (6.5, "", "warn"), (6.5, "6", "ok"), (6.5, "16", "warn")],
)
def test_quota_below_the_processors_shown(quota: float | None, omp: str, severity: str) -> None:
    limits = replace(LIMITS, cpu_quota=quota, omp_threads=omp)
    finding = only(check_processors(box(limits=limits)))
    assert finding.severity == severity
    if severity == "warn":
        assert finding.fix == "export OMP_NUM_THREADS=6"


def test_killed_by_the_limit() -> None:
    assert check_oom_kills(box()) == []
    killed = only(check_oom_kills(box(limits=replace(LIMITS, oom_kills=2))))
    assert "killed 2 process" in killed.message


def test_few_open_files() -> None:
    # https://github.com/huggingface/datasets/issues/6877
    assert check_open_files(box()) == []
    few = only(check_open_files(box(limits=replace(LIMITS, open_files=1024))))
    assert "ulimit -n" in few.fix


def test_the_shared_memory_a_container_starts_with() -> None:
    # https://github.com/pytorch/pytorch/issues/5040
    assert check_shared_memory(box()) == []
    small = only(check_shared_memory(box(limits=replace(LIMITS, shm_gib=0.0625))))
    assert "64 MiB" in small.message
