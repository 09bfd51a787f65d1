"""The driver and its cards: device files and the kernel first, then NVIDIA's own library."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from engine.doctor.cuda_library import read_cuda_library
from engine.doctor.gpu_facts import Gpu, GpuFacts, PciGpu
from engine.doctor.gpu_log import read_xids
from engine.doctor.gpu_users import read_holders
from engine.doctor.host import Host
from engine.doctor.nvml_cards import Nvml, read_cards
from engine.setup.driver import gpu_nodes, has_nvidia_gpu, kernel_driver

LIBRARY_NOT_FOUND, VERSION_MISMATCH = 12, 18
_NO_LIBRARY = "NVIDIA's management library (libnvidia-ml.so.1) was not found"
_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
_MODULES = ("nvidia", "nvidia_uvm", "nouveau", "amdgpu")
_NCCL = ("NCCL_P2P_DISABLE", "NCCL_IB_DISABLE")
_DRIVER_PACKAGE = re.compile(r"(libnvidia-(?:compute|ml)[^:]*|libcuda1|nvidia-utils-\d+[^:]*)")


def read_gpus(host: Host) -> GpuFacts:
    """What device files and the kernel say, before the driver's library is asked."""
    nodes = tuple(gpu_nodes(host.root))
    is_handed = has_nvidia_gpu(host.root)
    devices = set(host.names("/dev"))
    env = host.env
    return GpuFacts(
        nodes=nodes,
        driver=kernel_driver(host.root) or host.text("/sys/module/nvidia/version").strip(),
        trouble="its library gave no answer" if is_handed else "",
        visible_devices=env.get("CUDA_VISIBLE_DEVICES"),
        rented_without=env.get("RUNPOD_GPU_COUNT") == "0",
        missing_nodes=_missing(nodes, devices),
        modules=_modules(host),
        pci=() if is_handed else _pci(host),
        library=read_cuda_library(host) if is_handed else GpuFacts().library,
        nccl=tuple(name for name in _NCCL if env.get(name, "") not in ("", "0")),
        scheduler="Slurm"
        if "SLURM_JOB_ID" in env
        else "Kubernetes"
        if "KUBERNETES_SERVICE_HOST" in env and "RUNPOD_POD_ID" not in env
        else "",
        promised=_whole(env.get("RUNPOD_GPU_COUNT", "")),
        makes_nodes=bool(host.which("nvidia-modprobe")),
        has_nvswitch=any(re.fullmatch(r"nvidia-nvswitch\d+", name) for name in devices),
    )


def ask_driver(known: GpuFacts, host: Host) -> GpuFacts:
    """Ask the driver's library for the rest; the trouble is named where it does not answer.

    Can take seconds per card where the driver's persistence mode is off: call it in a thread.
    """
    nvml: Any = host.nvml
    if nvml is None:
        try:
            import pynvml
        except ImportError:
            return replace(known, trouble="nvidia-ml-py is not installed, so it was not asked")
        nvml = pynvml
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return _without_answer(known, host, error)
    try:
        return _answer(known, host, Nvml(nvml))
    except nvml.NVMLError as error:
        return _without_answer(known, host, error)
    finally:
        Nvml(nvml).tell("nvmlShutdown")


def _answer(known: GpuFacts, host: Host, nvml: Nvml) -> GpuFacts:
    number = nvml.number("nvmlSystemGetCudaDriverVersion_v2") or nvml.number(
        "nvmlSystemGetCudaDriverVersion"
    )
    release = int(number or 0)
    cards = read_cards(nvml, host)
    known = replace(
        known,
        driver=nvml.words("nvmlSystemGetDriverVersion") or known.driver,
        cuda=(release // 1000, release % 1000 // 10),
        gpus=cards.gpus,
        silent=cards.silent,
        p2p=cards.p2p,
        trouble="" if cards.gpus or not known.nodes else "it lists no card",
    )
    if not cards.gpus and cards.silent:
        known = replace(known, trouble=cards.silent[0].trouble, code=cards.silent[0].code)
    if not known.handed:
        return known
    if not (cards.pids or known.has_nvswitch or any(map(is_used, cards.gpus))):
        return _with_log(known, host)
    holders, fabric_manager = read_holders(host, cards.pids)
    return _with_log(replace(known, holders=holders, fabric_manager=fabric_manager), host)


def is_used(gpu: Gpu) -> bool:
    """Whether more of a card's memory is gone than an idle driver takes."""
    return gpu.vram_gib - gpu.free_gib - (gpu.reserved_gib or 0.0) > 0.3


def _without_answer(known: GpuFacts, host: Host, error: Any) -> GpuFacts:
    """The library's refusal; without a device file it means no more than the lack of one."""
    if not known.handed:
        return known
    code = int(getattr(error, "value", 0) or 0)
    trouble = _NO_LIBRARY if code == LIBRARY_NOT_FOUND else str(error).rstrip(".")
    packages = _driver_packages(host) if code == VERSION_MISMATCH else ()
    return _with_log(replace(known, trouble=trouble, code=code, driver_packages=packages), host)


def _with_log(known: GpuFacts, host: Host) -> GpuFacts:
    xids, was_read = read_xids(host)
    return replace(known, xids=xids, log_was_read=was_read)


def _missing(nodes: tuple[str, ...], devices: set[str]) -> tuple[str, ...]:
    """What CUDA needs beside the GPU's own file: nothing works without nvidiactl."""
    wanted = ("nvidiactl", "nvidia-uvm") if nodes else ()
    return tuple(f"/dev/{name}" for name in wanted if name not in devices)


def _modules(host: Host) -> tuple[str, ...]:
    loaded = {line.partition(" ")[0] for line in host.text("/proc/modules").splitlines()}
    return tuple(name for name in _MODULES if name in loaded or host.exists(f"/sys/module/{name}"))


def _pci(host: Host) -> tuple[PciGpu, ...]:
    """Display adapters (class 03) and accelerators (12) of the three makers."""
    found = []
    for address in host.names("/sys/bus/pci/devices"):
        folder = f"/sys/bus/pci/devices/{address}"
        vendor = _VENDORS.get(host.text(f"{folder}/vendor").strip())
        if vendor and host.text(f"{folder}/class").strip().startswith(("0x03", "0x12")):
            found.append(PciGpu(address, vendor))
    return tuple(found)


def _driver_packages(host: Host) -> tuple[str, ...]:
    names = (name.partition(".list")[0] for name in host.names("/var/lib/dpkg/info"))
    found = (match[1] for name in names if (match := _DRIVER_PACKAGE.match(name)))
    return tuple(dict.fromkeys(found))


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0
