"""RAM, processors and per-process limits, read from a recorded /proc and judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.doctor.facts import LimitFacts
from engine.doctor.host import Host
from engine.doctor.limit_checks import (
    check_open_files,
    check_processes,
    check_processors,
    check_shared_memory,
)
from engine.doctor.limits import read_limits
from engine.doctor.memory_checks import (
    check_address_space,
    check_commit,
    check_pressure,
    check_ram,
)
from engine.doctor.platform import Platform
from tests.doctor.boxes import GPU, H100, LIMITS, box, only, tree

GIB = 2**30
PROC = {
    "proc/meminfo": "MemTotal:       1056358400 kB\nMemFree: 1 kB\nMemAvailable:  943718400 kB\n",
    "proc/self/status": "Name:\tpython\nCpus_allowed:\tff\nCpus_allowed_list:\t0-5,8,10-11\n",
    "proc/self/limits": "Limit   Soft Limit  Hard Limit  Units\n"
    "Max open files            1024                 1048576              files     \n",
}


def read(root: Path, **env: str) -> LimitFacts:
    return read_limits(Host(env, root))


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
    limits = read(root, OMP_NUM_THREADS="4")
    assert round(limits.ram_gib) == 1007
    assert (limits.usable_gib, limits.free_gib) == (90.0, 2.0)
    assert limits.cores == 9
    assert limits.open_files == 1024
    assert limits.omp_threads == "4"
    finding = only(check_ram(box(limits=limits)))
    assert finding.severity == "warn"
    assert "90.0 GiB of RAM within the container's limit (the machine has 1007)" in finding.message


def test_a_machine_without_a_container(tmp_path: Path) -> None:
    limits = read(tree(tmp_path, PROC))
    assert limits.cgroup_gib is None
    assert limits.usable_gib == limits.ram_gib
    assert limits.free_gib == pytest.approx(900.0)
    assert only(check_ram(box(limits=limits))).severity == "ok"


def test_an_empty_proc_gives_no_numbers_and_no_error(tmp_path: Path) -> None:
    limits = read(tmp_path)
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
    killed = only(check_ram(box(limits=replace(LIMITS, oom_kills=2, cgroup_gib=90.0))))
    assert (killed.id, killed.severity) == ("ram.oom-killed", "warn")
    assert "killed 2 process" in killed.message


def test_a_limit_far_below_the_machine() -> None:
    # https://github.com/Comfy-Org/ComfyUI/issues/14938
    limits = replace(LIMITS, ram_gib=1007.0, available_gib=900.0, cgroup_gib=90.0)
    far = only(check_ram(box(limits=replace(limits, cgroup_free_gib=88.0))))
    assert (far.id, far.severity) == ("ram.limit", "warn")
    assert "the machine has 1007" in far.message
    assert "data.num_proc" in far.fix
    ample = replace(limits, cgroup_gib=240.0, cgroup_free_gib=230.0)
    assert only(check_ram(box(limits=ample))).severity == "ok"
    near = replace(limits, ram_gib=100.0, cgroup_free_gib=88.0)
    assert only(check_ram(box(limits=near))).severity == "ok"


def test_processors_rented_and_processors_allowed() -> None:
    sold = replace(LIMITS, cores=64, cores_shown=64, cpu_sold=8.0)
    assert only(check_processors(box(limits=sold))).fix == "export OMP_NUM_THREADS=8"
    bound = only(check_processors(box(limits=replace(LIMITS, cores=4, cores_shown=64))))
    assert (bound.id, bound.fix) == ("cpu.affinity", "export OMP_NUM_THREADS=4")
    many = only(check_processors(box(limits=replace(LIMITS, cores=4, omp_threads="64"))))
    assert (many.id, many.severity) == ("cpu.threads", "warn")


def test_pressure_promises_and_addresses() -> None:
    for check in (check_pressure, check_commit, check_address_space, check_processes):
        assert check(box()) == []
    assert only(check_pressure(box(limits=replace(LIMITS, pressure=40.0)))).severity == "warn"
    strict = only(check_commit(box(limits=replace(LIMITS, commit_free_gib=3.0))))
    assert strict.fix == "sysctl -w vm.overcommit_memory=0"
    short = only(check_address_space(box(limits=replace(LIMITS, address_gib=32.0))))
    assert short.fix == "ulimit -v unlimited"
    few = replace(LIMITS, processes=200, processes_by="pids.max")
    assert "--pids-limit" in only(check_processes(box(limits=few))).fix


def test_the_other_limits_are_read(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n"
            "SwapTotal: 2097152 kB\nSwapFree: 1048576 kB\n"
            "CommitLimit: 3145728 kB\nCommitted_AS: 1048576 kB\n",
            "proc/sys/vm/overcommit_memory": "2\n",
            "proc/self/status": "CapEff:\t0000000000200000\n",
            "proc/self/limits": "Max processes     4000   4000   processes\n"
            "Max address space     1073741824    unlimited    bytes\n",
            "proc/self/cgroup": "0::/box\n",
            "proc/self/mountinfo": "9 8 0:5 / /dev/shm rw,nosuid - tmpfs shm rw,size=65536k\n",
            "proc/pressure/memory": "some avg10=9.0 avg60=8.0 avg300=1.0 total=5\n"
            "full avg10=3.0 avg60=2.5 avg300=1.0 total=5\n",
            "sys/fs/cgroup/box/pids.max": "500\n",
            "sys/fs/cgroup/box/pids.current": "80\n",
            "sys/devices/system/cpu/online": "0-63\n",
        },
    )
    limits = read(root, RUNPOD_CPU_COUNT="12")
    assert (limits.swap_gib, limits.swap_used_gib) == (2.0, 1.0)
    assert limits.commit_free_gib == 2.0
    assert limits.may_mount
    assert (limits.processes, limits.processes_by) == (420, "pids.max")
    assert (limits.address_gib, limits.address_is_hard) == (1.0, False)
    assert limits.shm_gib == 0.0625
    assert limits.pressure == 2.5
    assert (limits.cores_shown, limits.cpu_sold, limits.cpu_granted) == (64, 12.0, 12.0)


def test_few_open_files() -> None:
    # https://github.com/huggingface/datasets/issues/6877
    assert check_open_files(box()) == []
    few = only(check_open_files(box(limits=replace(LIMITS, open_files=1024))))
    assert few.fix == "ulimit -n 65535"
    raised = replace(LIMITS, open_files=1024, open_files_hard=8192)
    assert only(check_open_files(box(limits=raised))).fix == "ulimit -n 8192"
    hard = replace(LIMITS, open_files=1024, open_files_hard=1024)
    assert "--ulimit nofile" in only(check_open_files(box(limits=hard))).fix


def test_the_shared_memory_a_container_starts_with() -> None:
    # https://github.com/pytorch/pytorch/issues/5040
    assert check_shared_memory(box()) == []
    few = replace(LIMITS, shm_gib=0.0625)
    small = only(check_shared_memory(box(limits=few)))
    assert "64 MiB" in small.message
    assert "dataloader_num_workers=0" in small.fix
    two = replace(GPU, gpus=(H100, replace(H100, index=1)))
    both = only(check_shared_memory(box(gpu=two, limits=few)))
    assert both.fix == "export NCCL_SHM_DISABLE=1"
    privileged = replace(box(limits=replace(few, may_mount=True)), platform=Platform(is_root=True))
    assert only(check_shared_memory(privileged)).fix == "mount -o remount,size=8G /dev/shm"
