"""Live readings: a stand-in for the driver's library, and trees of files for the container."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from engine.doctor.gauges import Gauges, GpuReading, HostReading, Reading
from engine.doctor.processors import Processors
from tests.doctor.boxes import tree

GIB = 2**30
NOT_SUPPORTED, NO_PERMISSION, GPU_IS_LOST, UNKNOWN = 3, 4, 15, 999
EIGHT_CORES = "Name:\tpython\nCpus_allowed_list:\t0-7\n"
MEMINFO = "MemTotal:       67108864 kB\nMemFree: 1 kB\nMemAvailable:   50331648 kB\n"


class Nvml:
    """Answers as nvidia-ml-py does on a box with two H100 under load."""

    NVMLError = pynvml.NVMLError
    count = 2

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.broken: dict[int, int] = {}
        self.unsupported: set[str] = set()
        self.reasons = 0
        self.init_error = 0
        self.processes: dict[int, list[tuple[int, int | None]]] = {}

    def nvmlInit(self) -> None:
        self.calls.append("init")
        if self.init_error:
            raise pynvml.NVMLError(self.init_error)

    def nvmlShutdown(self) -> None:
        self.calls.append("shutdown")

    def nvmlDeviceGetCount(self) -> int:
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{handle}f2a6b1c-77d0"

    def nvmlDeviceGetName(self, handle: int) -> str | bytes:
        return b"NVIDIA H100 80GB HBM3"

    def nvmlDeviceGetMigMode(self, handle: int) -> list[int]:
        return [0, 0]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: int) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: int, index: int) -> int:
        raise pynvml.NVMLError(NOT_SUPPORTED)

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:
        self._fail("nvmlDeviceGetMemoryInfo", handle)
        return SimpleNamespace(total=80 * GIB, free=20 * GIB)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:
        self._fail("nvmlDeviceGetUtilizationRates", handle)
        return SimpleNamespace(gpu=97, memory=60)

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:
        self._fail("nvmlDeviceGetTemperature", handle)
        assert sensor == pynvml.NVML_TEMPERATURE_GPU
        return 64

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        self._fail("nvmlDeviceGetPowerUsage", handle)
        return 682_512

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: int) -> int:
        self._fail("nvmlDeviceGetEnforcedPowerLimit", handle)
        return 700_000

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: int) -> int:
        self._fail("nvmlDeviceGetCurrentClocksEventReasons", handle)
        return self.reasons

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: int) -> int:
        self._fail("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
        return self.reasons

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:
        self._fail("nvmlDeviceGetComputeRunningProcesses", handle)
        held = self.processes.get(handle, [])
        return [SimpleNamespace(pid=pid, usedGpuMemory=memory) for pid, memory in held]

    def _fail(self, name: str, handle: int) -> None:
        if name in self.unsupported:
            raise pynvml.NVMLError(NOT_SUPPORTED)
        if handle in self.broken:
            raise pynvml.NVMLError(self.broken[handle])


class Sliced(Nvml):
    """One A100 divided in two; the board itself may not be asked from inside the container."""

    count = 1
    SLICE = 100

    def nvmlDeviceGetMigMode(self, handle: int) -> list[int]:
        return [1, 1]

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: int, index: int) -> int:
        if index not in (0, 2):
            raise pynvml.NVMLError(6)
        return self.SLICE + index

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"MIG-{handle}aa-bb"

    def nvmlDeviceGetName(self, handle: int) -> str | bytes:
        return f"NVIDIA A100-SXM4-40GB MIG {'1g.5gb' if handle == 100 else '2g.10gb'}"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:
        if handle < self.SLICE:
            raise pynvml.NVMLError(NO_PERMISSION)
        return SimpleNamespace(total=5 * GIB, free=4 * GIB)

    def _fail(self, name: str, handle: int) -> None:
        if handle >= self.SLICE:
            raise pynvml.NVMLError(NOT_SUPPORTED)


def gpu_root(tmp_path: Path) -> Path:
    return tree(tmp_path, {"dev/nvidia0": "", "dev/nvidia1": "", "proc/meminfo": MEMINFO})


def read_with(tmp_path: Path, nvml: Nvml, env: dict[str, str] | None = None) -> Reading:
    return Gauges(env or {}, gpu_root(tmp_path), nvml=nvml).read()


def test_both_cards_are_read(tmp_path: Path) -> None:
    nvml = Nvml()
    gauges = Gauges({}, gpu_root(tmp_path), nvml=nvml)
    reading = gauges.read()
    expected = GpuReading(0, "NVIDIA H100 80GB HBM3", 0.97, 60.0, 80.0, 64, 682.512, 700.0, ())
    assert reading.gpus[0] == expected
    assert [gpu.index for gpu in reading.gpus] == [0, 1]
    assert (reading.trouble, reading.is_gpu_lost) == ("", False)
    gauges.read()
    gauges.close()
    assert nvml.calls == ["init", "shutdown"]


def test_the_stand_in_has_the_names_of_the_real_library() -> None:
    names = [name for name in vars(Nvml) if name.startswith("nvml")]
    assert len(names) > 10
    assert [name for name in names if not hasattr(pynvml, name)] == []


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        ("GpuIdle", ()),
        ("SwPowerCap", ("power cap",)),
        ("SwThermalSlowdown", ("thermal",)),
        ("HwThermalSlowdown", ("thermal",)),
        ("HwSlowdown", ("hardware slowdown",)),
        ("HwPowerBrakeSlowdown", ("hardware slowdown",)),
        ("All", ("power cap", "thermal", "hardware slowdown")),
    ],
)
@pytest.mark.parametrize("is_old_driver", [False, True])
def test_what_holds_the_clocks_down(
    tmp_path: Path, bits: str, words: tuple[str, ...], is_old_driver: bool
) -> None:
    nvml = Nvml()
    nvml.reasons = getattr(pynvml, f"nvmlClocksEventReason{bits}")
    if is_old_driver:
        nvml.unsupported.add("nvmlDeviceGetCurrentClocksEventReasons")
    assert read_with(tmp_path, nvml).gpus[0].throttle == words


def test_what_a_laptop_does_not_tell_is_none(tmp_path: Path) -> None:
    nvml = Nvml()
    nvml.unsupported = {"nvmlDeviceGetPowerUsage", "nvmlDeviceGetEnforcedPowerLimit"}
    reading = read_with(tmp_path, nvml)
    assert (reading.gpus[0].power_w, reading.gpus[0].power_limit_w) == (None, None)
    assert (reading.gpus[0].temp_c, reading.trouble) == (64, "")


def test_memory_shared_with_the_host_is_no_trouble(tmp_path: Path) -> None:
    nvml = Nvml()
    nvml.unsupported = {"nvmlDeviceGetMemoryInfo"}
    reading = read_with(tmp_path, nvml)
    assert (reading.gpus[0].total_gib, reading.gpus[0].util) == (0.0, 0.97)
    assert reading.trouble == ""


def test_a_slice_is_read_and_its_board_gives_heat_and_power(tmp_path: Path) -> None:
    gpu = read_with(tmp_path, Sliced()).gpus
    assert [(one.index, one.name.split()[-1]) for one in gpu] == [(0, "1g.5gb")]
    assert (gpu[0].util, gpu[0].used_gib, gpu[0].total_gib) == (None, 1.0, 5.0)
    assert (gpu[0].temp_c, gpu[0].power_limit_w) == (64, 700.0)
    named = read_with(tmp_path, Sliced(), {"CUDA_VISIBLE_DEVICES": "MIG-102"})
    assert [one.name.split()[-1] for one in named.gpus] == ["2g.10gb"]


@pytest.mark.parametrize(
    ("value", "indices"),
    [
        (None, [0, 1]),
        ("", []),
        ("-1", []),
        ("1", [1]),
        ("1,0", [1, 0]),
        ("0,7,1", [0]),
        (" 1 , 0 ", [1, 0]),
        ("GPU-1f2a", [1]),
        ("nonsense", []),
        ("²", []),
    ],
)
def test_hidden_cards_are_not_read(tmp_path: Path, value: str | None, indices: list[int]) -> None:
    env = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    reading = read_with(tmp_path, Nvml(), env)
    assert [gpu.index for gpu in reading.gpus] == indices
    assert reading.trouble == ""


def test_a_card_lost_in_the_middle_is_told_and_the_other_stays(tmp_path: Path) -> None:
    # https://github.com/NVIDIA/nvidia-container-toolkit/issues/48
    nvml = Nvml()
    gauges = Gauges({}, gpu_root(tmp_path), nvml=nvml)
    gauges.read()
    nvml.broken = {1: GPU_IS_LOST}
    reading = gauges.read()
    assert [gpu.index for gpu in reading.gpus] == [0]
    assert (reading.trouble, reading.is_gpu_lost) == ("GPU 1 stopped answering: GPU is lost", True)
    nvml.broken = {0: UNKNOWN, 1: UNKNOWN}
    assert gauges.read().trouble == "NVML stopped answering: Unknown Error"
    nvml.broken = {}
    back = gauges.read()
    assert (len(back.gpus), back.trouble, back.is_gpu_lost) == (2, "", False)


def test_a_driver_that_never_answered_is_not_lost(tmp_path: Path) -> None:
    nvml = Nvml()
    nvml.init_error = UNKNOWN
    gauges = Gauges({}, gpu_root(tmp_path), nvml=nvml)
    for _ in range(3):
        reading = gauges.read()
        assert reading.gpus == ()
        assert reading.trouble == "NVML gave no answer: Unknown Error"
        assert not reading.is_gpu_lost
    gauges.close()
    assert nvml.calls == ["init"]


def test_a_card_that_never_answered_is_not_lost(tmp_path: Path) -> None:
    nvml = Nvml()
    nvml.broken = {1: UNKNOWN}
    reading = read_with(tmp_path, nvml)
    assert (reading.trouble, reading.is_gpu_lost) == ("GPU 1 gave no answer: Unknown Error", False)


def test_memory_that_others_hold_is_told_where_processes_can_be_told_apart(tmp_path: Path) -> None:
    root = tree(gpu_root(tmp_path), {"proc/70/statm": "9 9 1 1 0 1 0\n"})
    tree(root, {"proc/70/task/70/children": "71 ", "proc/71/statm": "9 9 1 1 0 1 0\n"})
    nvml = Nvml()
    nvml.processes = {0: [(71, 20 * GIB), (4000, 6 * GIB), (4001, None)], 1: [(70, GIB)]}
    gauges = Gauges({}, root, nvml=nvml)
    assert [gpu.others_gib for gpu in gauges.read(70).gpus] == [6.0, 0.0]
    # numbers of the host, in a container that has its own: nobody can say whose they are
    nvml.processes = {0: [(90_071, 20 * GIB), (90_400, 6 * GIB)]}
    assert [gpu.others_gib for gpu in gauges.read(70).gpus] == [None, None]
    nvml.processes = {0: [(71, 20 * GIB), (4000, 6 * GIB)]}
    assert [gpu.others_gib for gpu in gauges.read().gpus] == [None, None]
    nvml.unsupported = {"nvmlDeviceGetComputeRunningProcesses"}
    assert [gpu.others_gib for gpu in gauges.read(70).gpus] == [None, None]


def test_without_a_gpu_the_driver_is_not_asked(tmp_path: Path) -> None:
    nvml = Nvml()
    reading = Gauges({}, tmp_path, nvml=nvml).read()
    assert (reading.gpus, reading.trouble, nvml.calls) == ((), "", [])


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
