"""The driver and its cards, asked through NVIDIA's own library; no torch, no CUDA start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.doctor.facts import GIB, Box, Gpu, GpuFacts
from engine.findings import Finding
from engine.setup.driver import gpu_nodes, has_nvidia_gpu, kernel_driver

# A desktop and the driver's own part stay below this on every card.
TAKEN_GIB = 1.5


def read_nodes(root: Path, env: Mapping[str, str]) -> GpuFacts:
    """What device files and the kernel say, before the driver's library is asked."""
    return GpuFacts(
        nodes=tuple(gpu_nodes(root)),
        driver=kernel_driver(root),
        trouble="its library gave no answer" if has_nvidia_gpu(root) else "",
        visible_devices=env.get("CUDA_VISIBLE_DEVICES"),
        rented_without=env.get("RUNPOD_GPU_COUNT") == "0",
    )


def ask_driver(known: GpuFacts, nvml: Any = None) -> GpuFacts:
    """Ask the driver's library for the rest; the trouble is named where it does not answer.

    Can take seconds per card where the driver's persistence mode is off: call it in a thread.
    """
    if nvml is None:
        try:
            import pynvml as nvml
        except ImportError:
            return replace(known, trouble="nvidia-ml-py is not installed, so it was not asked")
    return ask_nvml(known, nvml)


def ask_nvml(known: GpuFacts, nvml: Any) -> GpuFacts:
    """The same through a given binding; tests hand a stand-in for hardware that is missing."""
    try:
        nvml.nvmlInit()
        try:
            return _answer(known, nvml)
        finally:
            nvml.nvmlShutdown()
    except nvml.NVMLError as error:
        return replace(known, trouble=str(error))


def check_present(box: Box) -> list[Finding]:
    """Whether there is a GPU at all, and whether it answers."""
    gpu = box.gpu
    if gpu.gpus:
        return []
    if gpu.handed:
        message = f"A GPU is handed to this box but its driver does not answer: {gpu.trouble}."
        if "nvidia-ml-py" in gpu.trouble:
            return [Finding("gpu.not-asked", "warn", message, "pip install nvidia-ml-py")]
        fix = "Restart the container; if it stays, save your files and change the host."
        return [Finding("gpu.no-answer", "fail", message, fix, ", ".join(gpu.nodes))]
    message = "There is no NVIDIA GPU here: training runs on the CPU, which suits tiny models only."
    fix = "Rent or restart with a GPU; in Docker add: --gpus all"
    if gpu.rented_without:
        fix = "RunPod gave this pod back without its GPU: deploy a new pod on the same volume."
    return [Finding("gpu.none", "warn", message, fix)]


def check_driver(box: Box) -> list[Finding]:
    """The driver's version and the newest CUDA it speaks."""
    gpu = box.gpu
    if not gpu.driver or not gpu.gpus:
        return []
    cuda = f", CUDA up to {gpu.cuda[0]}.{gpu.cuda[1]}" if gpu.cuda[0] else ""
    return [Finding("gpu.driver", "ok", f"NVIDIA driver {gpu.driver}{cuda}.")]


def check_cards(box: Box) -> list[Finding]:
    """One line per card: memory, generation, and whether it computes in bfloat16."""
    findings = []
    for gpu in box.gpu.gpus:
        where = f"GPU {gpu.index}"
        generation = f"compute capability {gpu.capability[0]}.{gpu.capability[1]}"
        message = f"{gpu.name}: {gpu.vram_gib:.1f} GiB, {gpu.free_gib:.1f} GiB free, {generation}"
        if gpu.has_bf16:
            findings.append(Finding("gpu.card", "ok", f"{message}, bfloat16.", where=where))
        else:
            message += ", no bfloat16 in hardware."
            fix = "Train with: --set model.dtype=float16"
            findings.append(Finding("gpu.no-bf16", "warn", message, fix, where))
    return findings


def check_memory_taken(box: Box) -> list[Finding]:
    """GPU memory that somebody else holds; in a container its process is often not visible."""
    findings = []
    for gpu in box.gpu.gpus:
        taken_gib = gpu.vram_gib - gpu.free_gib
        if taken_gib > TAKEN_GIB:
            message = f"{taken_gib:.1f} of {gpu.vram_gib:.1f} GiB are already taken."
            fix = "End your other processes (nvidia-smi lists them); if none is yours, change host."
            findings.append(Finding("gpu.memory-taken", "warn", message, fix, f"GPU {gpu.index}"))
    return findings


def check_slices(box: Box) -> list[Finding]:
    """MIG: a process sees one slice of such a card only."""
    return [
        Finding(
            "gpu.mig",
            "info",
            "This card is divided (MIG); one process sees one slice.",
            "Name the slice: export CUDA_VISIBLE_DEVICES=MIG-...  (nvidia-smi -L lists them)",
            f"GPU {gpu.index}",
        )
        for gpu in box.gpu.gpus
        if gpu.mig
    ]


def check_hidden(box: Box) -> list[Finding]:
    """CUDA_VISIBLE_DEVICES that hides every card."""
    hidden = box.gpu.visible_devices
    if not box.gpu.gpus or hidden is None or hidden.strip() not in ("", "-1"):
        return []
    message = f'CUDA_VISIBLE_DEVICES="{hidden}" hides every GPU from torch.'
    return [Finding("gpu.hidden", "fail", message, "unset CUDA_VISIBLE_DEVICES")]


CHECKS = (
    check_present,
    check_driver,
    check_cards,
    check_memory_taken,
    check_slices,
    check_hidden,
)


def _answer(known: GpuFacts, nvml: Any) -> GpuFacts:
    number = int(nvml.nvmlSystemGetCudaDriverVersion_v2())
    gpus = tuple(_card(index, nvml) for index in range(nvml.nvmlDeviceGetCount()))
    return replace(
        known,
        driver=_words(nvml.nvmlSystemGetDriverVersion()),
        cuda=(number // 1000, number % 1000 // 10),
        gpus=gpus,
        trouble="" if gpus else "it lists no card",
    )


def _card(index: int, nvml: Any) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    try:
        mig = nvml.nvmlDeviceGetMigMode(handle)[0] == 1
    except nvml.NVMLError:  # not a card that can be divided
        mig = False
    return Gpu(
        index=index,
        name=_words(nvml.nvmlDeviceGetName(handle)),
        vram_gib=memory.total / GIB,
        free_gib=memory.free / GIB,
        capability=tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle)),
        mig=mig,
    )


def _words(value: str | bytes) -> str:
    """Old bindings answer in bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
