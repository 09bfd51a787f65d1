"""Live readings: a stand-in for the driver's library, and trees of files for the container."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from engine.doctor.gauges import Gauges, GpuReading, Reading
from tests.doctor.boxes import tree

GIB = 2**30
NOT_SUPPORTED, NO_PERMISSION, GPU_IS_LOST, UNKNOWN = 3, 4, 15, 999
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
