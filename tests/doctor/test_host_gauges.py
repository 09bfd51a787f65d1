"""Live readings of processors, memory and disk: trees of files for the container."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.doctor.gauges import Gauges, HostReading
from engine.doctor.processors import Processors
from tests.doctor.boxes import tree

GIB = 2**30
EIGHT_CORES = "Name:\tpython\nCpus_allowed_list:\t0-7\n"
MEMINFO = "MemTotal:       67108864 kB\nMemFree: 1 kB\nMemAvailable:   50331648 kB\n"


def test_a_container_with_limits(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/status": EIGHT_CORES,
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{16 * GIB}\n",
            "sys/fs/cgroup/memory.current": f"{6 * GIB}\n",
            "sys/fs/cgroup/memory.stat": f"inactive_file {2 * GIB}\n",
            "sys/fs/cgroup/cpu.max": "250000 100000\n",
        },
    )
    host = Gauges({}, root).read().host
    assert host == HostReading(0.0, 2.5, 4.0, 16.0, is_ram_limited=True)


@pytest.mark.parametrize("version", [1, 2])
def test_what_the_limit_kills_is_counted_from_the_first_reading(
    tmp_path: Path, version: int
) -> None:
    def write(kills: int) -> None:
        files = {
            1: {
                "proc/self/cgroup": "4:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{16 * GIB}\n",
                "sys/fs/cgroup/memory/memory.oom_control": f"under_oom 0\noom_kill {kills}\n",
            },
            2: {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.max": f"{16 * GIB}\n",
                "sys/fs/cgroup/memory.events": f"high 0\noom 9\noom_kill {kills}\n",
            },
        }
        tree(tmp_path, {"proc/meminfo": MEMINFO, **files[version]})

    write(2)
    gauges = Gauges({}, tmp_path)
    assert gauges.read().host.oom_kills == 0
    write(3)
    assert gauges.read().host.oom_kills == 1


def test_the_pace_of_the_disk_comes_with_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now_s=0.0, free_gib=60.0)

    def usage(path: Path) -> SimpleNamespace:
        return SimpleNamespace(free=clock.free_gib * GIB, total=100 * GIB)

    monkeypatch.setattr("shutil.disk_usage", usage)
    gauges = Gauges({}, tmp_path, path=tmp_path, clock=lambda: clock.now_s)
    assert gauges.read().host.disk_full_s is None
    clock.now_s, clock.free_gib = 300.0, 50.0
    assert gauges.read().host.disk_full_s == pytest.approx(1500.0)


def test_a_machine_without_limits(tmp_path: Path) -> None:
    files = {"proc/meminfo": MEMINFO, "proc/self/status": EIGHT_CORES}
    host = Gauges({}, tree(tmp_path, files), path=tmp_path).read().host
    assert (host.cores, host.ram_used_gib, host.ram_limit_gib) == (8.0, 16.0, 64.0)
    assert host.disk_free_gib is not None
    assert host.disk_total_gib is not None
    assert 0 < host.disk_free_gib < host.disk_total_gib
    gone = Gauges({}, tmp_path, path=tmp_path / "deleted").read().host
    assert (gone.disk_free_gib, gone.disk_total_gib) == (None, None)


def test_the_memory_of_a_process_tree(tmp_path: Path) -> None:
    pages = GIB // os.sysconf("SC_PAGE_SIZE")
    root = tree(
        tmp_path,
        {
            "proc/70/statm": f"99 {pages * 3} 1 1 0 1 0\n",
            "proc/70/task/70/children": "71 ",
            "proc/70/task/75/children": "72 73 ",
            "proc/71/statm": f"99 {pages} 1 1 0 1 0\n",
            "proc/71/task/71/children": "",
            "proc/72/statm": f"99 {pages * 2} 1 1 0 1 0\n",
            "proc/99/statm": f"99 {pages * 50} 1 1 0 1 0\n",
        },
    )
    gauges = Gauges({}, root)
    assert gauges.read(70).host.process_ram_gib == pytest.approx(6.0)
    assert gauges.read(404).host.process_ram_gib is None
    assert gauges.read().host.process_ram_gib is None


def test_this_very_process_and_its_child() -> None:
    gauges = Gauges({})
    alone = gauges.read(os.getpid()).host.process_ram_gib
    assert alone is not None
    code = "x = bytearray(200 << 20); print(flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as child:
        assert child.stdout is not None
        child.stdout.readline()
        both = gauges.read(os.getpid()).host.process_ram_gib
        child.communicate(b"\n")
    assert both is not None
    assert 0.19 < both - alone < 0.4


@pytest.mark.parametrize("version", [1, 2])
def test_under_a_quota_the_groups_own_time_counts(tmp_path: Path, version: int) -> None:
    clock = SimpleNamespace(now_s=100.0)

    def write(used_s: int) -> None:
        if version == 2:
            files = {
                "proc/self/cgroup": "0::/box/inner\n",
                "sys/fs/cgroup/cpu.max": "max 100000\n",
                "sys/fs/cgroup/cpu.stat": f"usage_usec {used_s * 900 * 10**6}\n",
                "sys/fs/cgroup/box/cpu.max": "200000 100000\n",
                "sys/fs/cgroup/box/cpu.stat": f"usage_usec {used_s * 10**6}\nuser_usec 1\n",
                "sys/fs/cgroup/box/inner/cpu.max": "max 100000\n",
                "sys/fs/cgroup/box/inner/cpu.stat": "usage_usec 5\n",
            }
        else:
            files = {
                "proc/self/cgroup": "4:cpuacct:/\n3:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpuacct/cpuacct.usage": f"{used_s * 10**9}\n",
            }
        # The whole machine is busy; that is not ours.
        tree(tmp_path, {**files, "proc/stat": f"cpu0 {used_s * 1000} 0 0 0 0 0 0 0 0 0\n"})

    write(50)
    processors = Processors(tmp_path, lambda: clock.now_s)
    clock.now_s += 10
    write(65)
    assert processors.read(2.0, is_limited=True) == pytest.approx(0.75)
    clock.now_s += 0.01
    assert processors.read(2.0, is_limited=True) == pytest.approx(0.75)
    clock.now_s += 10
    write(999)
    assert processors.read(2.0, is_limited=True) == 1.0


def test_without_a_quota_the_allowed_processors_count(tmp_path: Path) -> None:
    def write(*busy: int) -> None:
        lines = [f"cpu{i} {ticks} 0 0 {1000 - ticks} 0 0 0 0 7 7" for i, ticks in enumerate(busy)]
        text = "\n".join(["cpu  1 2 3 4 5 6 7 8 9 10", *lines, "intr 5", ""])
        status = "Cpus_allowed_list:\t1,3\n"
        tree(tmp_path, {"proc/stat": text, "proc/self/status": status})

    clock = SimpleNamespace(now_s=0.0)
    write(0, 0, 0, 0)
    (tmp_path / "proc/stat").write_text("cpu1 0 0 0 0 0 0 0 0 0 0\ncpu3 0 0 0 0 0 0 0 0 0 0\n")
    processors = Processors(tmp_path, lambda: clock.now_s)
    clock.now_s = 10.0
    write(1000, 500, 1000, 100)
    assert processors.read(2.0, is_limited=False) == pytest.approx(0.3)
    clock.now_s = 20.0
    assert processors.read(2.0, is_limited=False) == 0.0


def test_this_box_is_read_quickly(tmp_path: Path) -> None:
    gauges = Gauges({}, path=tmp_path)
    elapsed_s = []
    for _ in range(10):
        begin = time.process_time()
        host = gauges.read(os.getpid()).host
        elapsed_s.append(time.process_time() - begin)
    assert 0 < host.ram_used_gib < host.ram_limit_gib
    assert 0 <= host.cpu_share <= 1
    assert host.cores > 0
    # Measured at 1.5 ms; loose for a machine that is busy with other tests.
    assert min(elapsed_s) < 0.01
