"""The cards as NVIDIA's management library describes them; what it refuses stays unknown."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.doctor.gpu_facts import Gpu, Health, SilentGpu, Slice
from engine.doctor.gpu_log import short_pci
from engine.doctor.host import Host

GIB = 2**30
NOT_SUPPORTED = 3
# Errors of one card's memory that leave nothing to work with: lost, to be reset, unknown, blocked.
_GONE = (15, 16, 17, 999)
_MEMORY_V2 = 0x02000028  # nvmlMemory_v2, whose answer tells reserved memory apart
_RECOVERY_ACTION = 230  # NVML_FI_DEV_GET_GPU_RECOVERY_ACTION
_UNCORRECTED, _SINCE_LOADED, _LIFETIME, _DOUBLE_BIT = 1, 0, 1, 1
_MOST_SLICES = 8
_FABRIC = (
    ("nvmlDeviceGetGpuFabricInfoV", "c_nvmlGpuFabricInfo_v3_t"),
    ("nvmlDeviceGetGpuFabricInfoV", "c_nvmlGpuFabricInfo_v2_t"),
    ("nvmlDeviceGetGpuFabricInfo", "c_nvmlGpuFabricInfo_t"),
)


class Nvml:
    """A binding whose refusals are None: drivers and cards know different functions."""

    def __init__(self, binding: Any) -> None:
        self.binding = binding

    def tell(self, name: str, *arguments: Any) -> Any:
        ask = getattr(self.binding, name, None)
        if ask is None:
            return None
        try:
            return ask(*arguments)
        except (self.binding.NVMLError, TypeError):  # an older binding takes fewer arguments
            return None

    def number(self, name: str, *arguments: Any) -> float | None:
        told = self.tell(name, *arguments)
        return told if isinstance(told, int | float) else None

    def words(self, name: str, *arguments: Any) -> str:
        told = self.tell(name, *arguments)
        told = told.decode("utf-8", "replace") if isinstance(told, bytes) else told
        return told if isinstance(told, str) else ""


@dataclass(frozen=True, slots=True)
class Cards:
    """Those that answer, those that do not, peer access between pairs, and NVML's processes."""

    gpus: tuple[Gpu, ...]
    silent: tuple[SilentGpu, ...]
    p2p: tuple[tuple[int, int, int], ...]
    pids: frozenset[int]


def read_cards(nvml: Nvml, host: Host) -> Cards:
    """Ask about every card; NVMLError only where they cannot even be counted."""
    gpus: list[Gpu] = []
    silent: list[SilentGpu] = []
    handles: dict[int, Any] = {}
    pids: set[int] = set()
    for index in range(int(nvml.binding.nvmlDeviceGetCount())):
        try:
            handle = nvml.binding.nvmlDeviceGetHandleByIndex(index)
            gpus.append(_card(index, handle, nvml, host))
        except nvml.binding.NVMLError as error:
            code = int(getattr(error, "value", 0) or 0)
            silent.append(SilentGpu(index, str(error).rstrip("."), code))
            continue
        handles[index] = handle
        for process in _list(nvml.tell("nvmlDeviceGetComputeRunningProcesses", handle)):
            pids.add(_whole(process, "pid"))
    consumer = {gpu.index: handles[gpu.index] for gpu in gpus if gpu.is_consumer}
    return Cards(tuple(gpus), tuple(silent), tuple(_p2p(nvml, consumer)), frozenset(pids))


def _card(index: int, handle: Any, nvml: Nvml, host: Host) -> Gpu:
    mode = _list(nvml.tell("nvmlDeviceGetMigMode", handle))
    is_divided = mode[:1] == [1]
    slices = tuple(_slices(nvml, handle)) if is_divided else ()
    is_shared, reserved_gib = False, None
    if slices:
        largest = max(slices, key=lambda part: part.vram_gib)
        total_gib, free_gib = largest.vram_gib, largest.free_gib
    else:
        total_gib, free_gib, reserved_gib, is_shared = _memory(nvml, handle, host)
    capability = _list(nvml.tell("nvmlDeviceGetCudaComputeCapability", handle))
    address = getattr(nvml.tell("nvmlDeviceGetPciInfo", handle), "busId", "")
    address = address.decode("ascii", "replace") if isinstance(address, bytes) else str(address)
    return Gpu(
        index=index,
        name=nvml.words("nvmlDeviceGetName", handle) or "NVIDIA GPU",
        vram_gib=total_gib,
        free_gib=free_gib,
        capability=(int(capability[0]), int(capability[1])) if _is_pair(capability) else (0, 0),
        mig=is_divided,
        uuid=nvml.words("nvmlDeviceGetUUID", handle),
        pci=short_pci(address) if ":" in address else "",
        reserved_gib=reserved_gib,
        is_shared=is_shared,
        slices=slices,
        health=_health(nvml, handle),
    )


def _memory(nvml: Nvml, handle: Any, host: Host) -> tuple[float, float, float | None, bool]:
    """Total, free and reserved GiB; the host's where a card has none of its own (GB10, Tegra)."""
    memory = nvml.tell("nvmlDeviceGetMemoryInfo", handle, _MEMORY_V2)
    if memory is None:
        try:
            memory = nvml.binding.nvmlDeviceGetMemoryInfo(handle)
        except nvml.binding.NVMLError as error:
            if getattr(error, "value", NOT_SUPPORTED) in _GONE:
                raise
            return *_host_memory(host), None, True
    reserved = getattr(memory, "reserved", None)
    total, free = _whole(memory, "total"), _whole(memory, "free")
    is_told = isinstance(reserved, int | float)
    return total / GIB, free / GIB, _whole(memory, "reserved") / GIB if is_told else None, False


def _host_memory(host: Host) -> tuple[float, float]:
    lines = dict(re.findall(r"^(\w+):\s+(\d+) kB", host.text("/proc/meminfo"), re.MULTILINE))
    return int(lines.get("MemTotal", 0)) / 2**20, int(lines.get("MemAvailable", 0)) / 2**20


def _slices(nvml: Nvml, handle: Any) -> Iterator[Slice]:
    most = nvml.number("nvmlDeviceGetMaxMigDeviceCount", handle)
    for index in range(_MOST_SLICES if most is None else int(most)):
        part = nvml.tell("nvmlDeviceGetMigDeviceHandleByIndex", handle, index)
        if part is None:
            continue
        memory = nvml.tell("nvmlDeviceGetMemoryInfo", part)
        yield Slice(
            uuid=nvml.words("nvmlDeviceGetUUID", part),
            name=nvml.words("nvmlDeviceGetName", part),
            vram_gib=_whole(memory, "total") / GIB,
            free_gib=_whole(memory, "free") / GIB,
        )


def _health(nvml: Nvml, handle: Any) -> Health:
    reasons = nvml.number("nvmlDeviceGetCurrentClocksEventReasons", handle)
    if reasons is None:  # drivers before 535 know the call by its old name only
        reasons = nvml.number("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    limit_mw = nvml.number("nvmlDeviceGetEnforcedPowerLimit", handle)
    if limit_mw is None:
        limit_mw = nvml.number("nvmlDeviceGetPowerManagementLimit", handle)
    default_mw = nvml.number("nvmlDeviceGetPowerManagementDefaultLimit", handle)
    width = nvml.number("nvmlDeviceGetCurrPcieLinkWidth", handle)
    most = nvml.number("nvmlDeviceGetMaxPcieLinkWidth", handle)
    pending, failed = _remapped(nvml.tell("nvmlDeviceGetRemappedRows", handle))
    fabric = _fabric(nvml, handle)
    persistence = nvml.number("nvmlDeviceGetPersistenceMode", handle)
    ecc = nvml.number("nvmlDeviceGetTotalEccErrors", handle, _UNCORRECTED, _SINCE_LOADED)
    lifetime = nvml.number("nvmlDeviceGetTotalEccErrors", handle, _UNCORRECTED, _LIFETIME)
    retired = _list(nvml.tell("nvmlDeviceGetRetiredPages", handle, _DOUBLE_BIT))
    return Health(
        clock_reasons=int(reasons or 0),
        temp_c=nvml.number("nvmlDeviceGetTemperature", handle, 0),
        power_limit_w=None if limit_mw is None else limit_mw / 1000,
        power_default_w=None if default_mw is None else default_mw / 1000,
        pcie_width=None if width is None else int(width),
        pcie_width_max=None if most is None else int(most),
        pcie_replays=int(nvml.number("nvmlDeviceGetPcieReplayCounter", handle) or 0),
        ecc_uncorrected=int(ecc or 0),
        ecc_lifetime=int(lifetime or 0),
        remap_pending=pending,
        remap_failed=failed,
        retired_pages=len(retired),
        retire_pending=nvml.number("nvmlDeviceGetRetiredPagesPendingStatus", handle) == 1,
        recovery=_recovery(nvml.tell("nvmlDeviceGetFieldValues", handle, [_RECOVERY_ACTION])),
        fabric_state=_whole(fabric, "state"),
        fabric_status=_whole(fabric, "status"),
        fabric_summary=_whole(fabric, "healthSummary"),
        persistence=None if persistence is None else persistence == 1,
        compute_mode=int(nvml.number("nvmlDeviceGetComputeMode", handle) or 0),
        has_display=nvml.number("nvmlDeviceGetDisplayActive", handle) == 1,
    )


def _remapped(told: Any) -> tuple[bool, bool]:
    """Whether a row waits to be replaced, and whether replacing one failed."""
    rows = _list(told)
    if len(rows) == 4:
        return bool(rows[2]), bool(rows[3])
    return bool(_whole(told, "bPending")), bool(_whole(told, "bfailureOccurred"))


def _fabric(nvml: Nvml, handle: Any) -> Any:
    """The card's place in the NVLink fabric; None before Hopper and on older drivers."""
    for name, structure in _FABRIC:
        make = getattr(nvml.binding, structure, None)
        if make is None:
            continue
        room = make()
        told = nvml.tell(name, handle, ctypes.byref(room))
        if told is not None:
            return room if isinstance(told, int) else told
    return None


def _recovery(values: Any) -> int:
    for value in _list(values):
        is_it = getattr(value, "fieldId", _RECOVERY_ACTION) == _RECOVERY_ACTION
        if is_it and getattr(value, "nvmlReturn", 0) == 0:
            told = getattr(value, "value", 0)
            return told if isinstance(told, int) else _whole(told, "uiVal")
    return 0


def _p2p(nvml: Nvml, handles: dict[int, Any]) -> Iterator[tuple[int, int, int]]:
    """The worse of reading and writing for every pair; pairs it says nothing about are left out."""
    for first, handle in handles.items():
        for second, other in handles.items():
            if first < second:
                asked = (nvml.number("nvmlDeviceGetP2PStatus", handle, other, i) for i in (0, 1))
                told = [int(status) for status in asked if status is not None]
                if told:
                    yield first, second, max(told)


def _list(told: Any) -> list[Any]:
    """A list or an array of the binding's; empty for anything else."""
    if told is None or isinstance(told, str | bytes):
        return []
    try:
        return list(told)
    except TypeError:
        return []


def _is_pair(told: list[Any]) -> bool:
    return len(told) == 2 and all(isinstance(one, int) for one in told)


def _whole(told: Any, name: str) -> int:
    value = getattr(told, name, 0)
    return int(value) if isinstance(value, int | float) else 0
