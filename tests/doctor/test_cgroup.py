"""Container limits from recorded trees of both cgroup versions."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.doctor.cgroup import MemoryLimit, cpu_quota, memory_limit, oom_kills
from tests.doctor.boxes import tree

GIB = 2**30
V1_NO_LIMIT = "9223372036854771712\n"


def test_version_2_takes_the_tightest_ancestor(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/kubepods/pod7/box\n",
            "sys/fs/cgroup/memory.max": "max\n",
            "sys/fs/cgroup/kubepods/memory.max": f"{200 * GIB}\n",
            "sys/fs/cgroup/kubepods/pod7/memory.max": f"{90 * GIB}\n",
            "sys/fs/cgroup/kubepods/pod7/memory.current": f"{30 * GIB}\n",
            "sys/fs/cgroup/kubepods/pod7/memory.stat": f"anon 5\ninactive_file {10 * GIB}\n",
            "sys/fs/cgroup/kubepods/pod7/box/memory.max": f"{120 * GIB}\n",
            "sys/fs/cgroup/kubepods/pod7/cpu.max": "650000 100000\n",
            "sys/fs/cgroup/kubepods/pod7/box/cpu.max": "max 100000\n",
            "sys/fs/cgroup/kubepods/pod7/memory.events": "low 0\nhigh 0\noom 3\noom_kill 2\n",
        },
    )
    assert memory_limit(root) == MemoryLimit(90 * GIB, 20 * GIB)
    assert cpu_quota(root) == 6.5
    assert oom_kills(root) == 2


def test_version_2_seen_from_inside_its_namespace(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{16 * GIB}\n",
            "sys/fs/cgroup/memory.current": f"{GIB}\n",
            "sys/fs/cgroup/cpu.max": "200000 100000\n",
        },
    )
    assert memory_limit(root) == MemoryLimit(16 * GIB, GIB)
    assert cpu_quota(root) == 2.0


def test_version_1_with_paths_of_the_host(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/docker/abc\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{8 * GIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{6 * GIB}\n",
            "sys/fs/cgroup/memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {2 * GIB}\n",
            "sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\noom_kill 1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    )
    assert memory_limit(root) == MemoryLimit(8 * GIB, 4 * GIB)
    assert cpu_quota(root) == 1.5
    assert oom_kills(root) == 1


def test_version_1_without_limits(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n1:cpu:/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": V1_NO_LIMIT,
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    assert memory_limit(root) is None
    assert cpu_quota(root) is None


def test_no_cgroups_at_all(tmp_path: Path) -> None:
    assert memory_limit(tmp_path) is None
    assert cpu_quota(tmp_path) is None
    assert oom_kills(tmp_path) == 0


@given(text=st.text(max_size=80), quota=st.text(max_size=20))
def test_odd_files_never_break_it(
    tmp_path_factory: pytest.TempPathFactory, text: str, quota: str
) -> None:
    root = tmp_path_factory.mktemp("root")
    for name in ("proc/self/cgroup", "sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.stat"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
    (root / "sys/fs/cgroup/cpu.max").write_bytes(quota.encode("utf-8", "surrogatepass"))
    memory_limit(root)
    assert oom_kills(root) >= 0
    found = cpu_quota(root)
    assert found is None or found >= 0
