"""What the driver says is read and judged; the driver's library has a stand-in here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from engine.doctor.facts import Gpu, GpuFacts
from engine.doctor.gpu import (
    ask_nvml,
    check_cards,
    check_driver,
    check_hidden,
    check_memory_taken,
    check_present,
    check_slices,
    read_nodes,
)
from tests.doctor.boxes import GPU, H100, T4, V100, box, only, tree

GIB = 2**30


class Memory:
    total = 80 * GIB
    free = 60 * GIB


class Nvml:
    """Answers like nvidia-ml-py on a machine with two H100."""

    class NVMLError(Exception):
        pass

    started: ClassVar[list[str]] = []

    def nvmlInit(self) -> None:
        self.started.append("up")

    def nvmlShutdown(self) -> None:
        self.started.append("down")

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        return 12080

    def nvmlSystemGetDriverVersion(self) -> str | bytes:
        return b"570.133.20"

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Memory:
        return Memory()

    def nvmlDeviceGetMigMode(self, handle: int) -> list[int]:
        if handle == 0:
            raise self.NVMLError("Not Supported")
        return [1, 1]

    def nvmlDeviceGetName(self, handle: int) -> str | bytes:
        return "NVIDIA H100 80GB HBM3"

    def nvmlDeviceGetCudaComputeCapability(self, handle: int) -> tuple[int, int]:
        return (9, 0)


class Silent(Nvml):
    def nvmlInit(self) -> None:
        raise self.NVMLError("Driver/library version mismatch")


class Lost(Nvml):
    """A card that fell off the bus while others answer."""

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Memory:
        raise self.NVMLError("GPU is lost")


def test_the_library_is_read_into_cards() -> None:
    facts = ask_nvml(GpuFacts(("/dev/nvidia0", "/dev/nvidia1")), Nvml())
    assert facts.driver == "570.133.20"
    assert facts.cuda == (12, 8)
    assert facts.gpus == (
        Gpu(0, "NVIDIA H100 80GB HBM3", 80.0, 60.0, (9, 0)),
        Gpu(1, "NVIDIA H100 80GB HBM3", 80.0, 60.0, (9, 0), mig=True),
    )
    assert facts.trouble == ""
    assert Nvml.started[-2:] == ["up", "down"]


@pytest.mark.parametrize("nvml", [Silent(), Lost()])
def test_a_driver_that_fails_is_named(nvml: Nvml) -> None:
    facts = ask_nvml(GpuFacts(("/dev/nvidia0",)), nvml)
    finding = only(check_present(box(gpu=facts)))
    assert finding.severity == "fail"
    assert facts.trouble in finding.message
    assert finding.where == "/dev/nvidia0"


def test_no_gpu_is_a_warning_not_a_failure() -> None:
    finding = only(check_present(box(gpu=GpuFacts())))
    assert finding.severity == "warn"
    assert "CPU" in finding.message


def test_a_pod_given_back_without_its_gpu(tmp_path: Path) -> None:
    # https://docs.runpod.io/references/troubleshooting/pod-migration
    facts = read_nodes(tmp_path, {"RUNPOD_GPU_COUNT": "0"})
    assert "deploy a new pod" in only(check_present(box(gpu=facts))).fix


def test_nodes_and_driver_come_from_the_tree(tmp_path: Path) -> None:
    version = (
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 2024\n"
    )
    root = tree(tmp_path, {"dev/nvidia0": "", "proc/driver/nvidia/version": version})
    facts = read_nodes(root, {"CUDA_VISIBLE_DEVICES": "0"})
    assert facts.nodes == ("/dev/nvidia0",)
    assert facts.driver == "550.54.15"
    assert facts.visible_devices == "0"
    assert facts.handed


def test_a_binding_that_is_missing_is_no_broken_driver() -> None:
    facts = replace(GPU, gpus=(), trouble="nvidia-ml-py is not installed, so it was not asked")
    finding = only(check_present(box(gpu=facts)))
    assert (finding.severity, finding.fix) == ("warn", "pip install nvidia-ml-py")


def test_a_card_is_described() -> None:
    finding = only(check_cards(box()))
    assert finding.severity == "ok"
    for part in ("H100", "79.6 GiB", "79.1 GiB free", "9.0", "bfloat16"):
        assert part in finding.message


@pytest.mark.parametrize("card", [T4, V100])
def test_a_card_without_bf16_is_told_what_to_set(card: Gpu) -> None:
    # https://github.com/hiyouga/LLaMA-Factory/issues/3508
    finding = only(check_cards(box(gpu=replace(GPU, gpus=(card,)))))
    assert finding.severity == "warn"
    assert "model.dtype=float16" in finding.fix


def test_memory_held_by_somebody_else() -> None:
    # https://github.com/NVIDIA/nvidia-docker/issues/179
    taken = replace(H100, free_gib=40.0)
    finding = only(check_memory_taken(box(gpu=replace(GPU, gpus=(taken,)))))
    assert finding.severity == "warn"
    assert "39.6 of 79.6 GiB" in finding.message
    assert check_memory_taken(box()) == []


def test_a_divided_card() -> None:
    # https://github.com/pytorch/pytorch/issues/92315
    assert check_slices(box()) == []
    slices = replace(GPU, gpus=(replace(H100, mig=True),))
    assert only(check_slices(box(gpu=slices))).severity == "info"


@pytest.mark.parametrize(
    ("value", "fails"), [("", True), ("-1", True), ("0", False), (None, False)]
)
def test_every_card_hidden(value: str | None, fails: bool) -> None:
    findings = check_hidden(box(gpu=replace(GPU, visible_devices=value)))
    assert bool(findings) == fails


def test_the_driver_line() -> None:
    assert "580.65.06, CUDA up to 13.0" in only(check_driver(box())).message
