"""torch against driver and card, the way public reports had it go wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.doctor.facts import Gpu, GpuFacts
from engine.doctor.gpu_facts import CudaLibrary
from engine.doctor.torch_build import check_bitsandbytes, check_kernels, check_torch
from engine.setup.torch_build import TorchBuild
from tests.doctor.boxes import (
    CPU_TORCH,
    CUDA_13,
    CUDA_126,
    GPU,
    H100,
    RTX_5090,
    STACK,
    V100,
    box,
    only,
)


def test_a_fitting_torch() -> None:
    assert only(check_torch(box())).severity == "ok"


@pytest.mark.parametrize(
    ("driver", "build", "fix"),
    [
        # https://github.com/pytorch/pytorch/issues/162531: driver of CUDA 12.8, wheel of CUDA 13
        ("570.133.20", CUDA_13, "tailfin setup --replace-torch --cuda 12.6"),
        ("570.133.20", CUDA_126, ""),
        ("580.65.06", CUDA_13, ""),
        ("470.256.02", CUDA_126, "Change to a host with driver 525"),
    ],
)
def test_driver_against_wheel(driver: str, build: TorchBuild, fix: str) -> None:
    here = box(gpu=replace(GPU, driver=driver, cuda=(0, 0)), stack=replace(STACK, torch=build))
    finding = only(check_torch(here))
    assert (finding.severity == "fail") == bool(fix)
    if fix:
        assert finding.id == "gpu.driver-too-old"
        assert driver in finding.message
        assert finding.fix.startswith(fix)


def test_what_the_library_speaks_decides_where_the_version_is_not_known() -> None:
    finding = only(check_torch(box(gpu=replace(GPU, driver="", cuda=(12, 4)))))
    assert finding.id == "gpu.driver-too-old"
    assert "CUDA up to 12.4" in finding.message
    compat = replace(GPU, driver="535.104.05", library=CudaLibrary("/usr/local/cuda/compat/x"))
    assert only(check_torch(box(gpu=compat))).severity == "ok"


def test_another_interpreter_gets_another_build_by_uv() -> None:
    other = replace(STACK, torch=CUDA_13, is_own=False)
    fix = only(check_torch(box(gpu=replace(GPU, driver="535.1", cuda=(12, 2)), stack=other))).fix
    assert "/env/bin/python -m uv pip install --python /env/bin/python" in fix
    assert fix.endswith("--torch-backend=cu126 torch==2.13.0")


def test_a_cpu_build_beside_a_gpu_fails() -> None:
    # https://github.com/vladmandic/sdnext/issues/4232
    finding = only(check_torch(box(stack=replace(STACK, torch=CPU_TORCH))))
    assert (finding.severity, finding.id) == ("fail", "torch.cpu-build")
    assert finding.fix


def test_a_cpu_build_without_a_gpu_is_fine() -> None:
    here = box(gpu=GpuFacts(), stack=replace(STACK, torch=CPU_TORCH))
    assert only(check_torch(here)).severity == "ok"


def test_an_old_and_a_missing_torch() -> None:
    old = TorchBuild("2.5.1+cu121", "12.1", "", Path("/site/torch"))
    assert only(check_torch(box(stack=replace(STACK, torch=old)))).id == "torch.too-old"
    missing = only(check_torch(box(stack=replace(STACK, torch=None))))
    assert (missing.severity, missing.fix) == ("fail", "tailfin setup --cuda 13.0")


def test_another_interpreter_is_set_up_by_its_own_pip() -> None:
    other = replace(STACK, torch=None, is_own=False)
    assert only(check_torch(box(stack=other))).fix == "/env/bin/python -m pip install torch==2.13.0"


@pytest.mark.parametrize(
    ("card", "build", "fails"),
    [
        (RTX_5090, CUDA_126, True),  # https://github.com/pytorch/pytorch/issues/167244
        (RTX_5090, CUDA_13, False),
        (V100, CUDA_13, True),  # https://github.com/pytorch/pytorch/issues/172352
        (V100, CUDA_126, False),
        (H100, CUDA_13, False),
        (H100, CUDA_126, False),
    ],
)
def test_card_against_wheel(card: Gpu, build: TorchBuild, fails: bool) -> None:
    here = box(gpu=replace(GPU, gpus=(card,)), stack=replace(STACK, torch=build))
    found = check_kernels(here)
    assert bool(found) == fails
    if fails:
        assert card.name in found[0].message
        assert "--replace-torch --cuda 1" in found[0].fix


def test_cards_of_one_kind_are_told_once_and_a_mixed_box_is_told_which_to_take() -> None:
    cards = (V100, replace(V100, index=1), replace(RTX_5090, index=2))
    here = box(gpu=replace(GPU, gpus=cards), stack=replace(STACK, torch=CUDA_13))
    finding = only(check_kernels(here))
    assert finding.where == "GPU 0, 1"
    assert finding.fix.endswith("--cuda 12.8")  # torch 2.10 has both
    pascal = Gpu(0, "Tesla P100", 16.0, 15.9, (6, 0))
    here = replace(here, gpu=replace(GPU, gpus=(pascal, replace(RTX_5090, index=1))))
    assert "CUDA_VISIBLE_DEVICES=1" in only(check_kernels(here)).fix


def test_bitsandbytes_without_a_library_for_this_cuda() -> None:
    # https://github.com/bitsandbytes-foundation/bitsandbytes/issues/112
    stack = replace(STACK, bitsandbytes_cuda=((11, 8), (12, 6)))
    finding = only(check_bitsandbytes(box(stack=stack)))
    assert finding.severity == "fail"
    assert "CUDA 13" in finding.message
    assert "11.8, 12.6" in finding.message


@pytest.mark.parametrize(
    ("value", "severity"), [("118", "fail"), ("126", "fail"), ("130", "warn"), ("x", "fail")]
)
def test_bitsandbytes_overridden(value: str, severity: str) -> None:
    finding = only(check_bitsandbytes(box(stack=replace(STACK, bitsandbytes_override=value))))
    assert (finding.id, finding.severity) == ("bitsandbytes.override", severity)
    assert (finding.fix, finding.safe) == ("unset BNB_CUDA_VERSION", True)


def test_bitsandbytes_on_a_card_before_pascal() -> None:
    maxwell = Gpu(0, "GeForce GTX 980", 4.0, 3.9, (5, 2))
    finding = only(check_bitsandbytes(box(gpu=replace(GPU, gpus=(maxwell,)))))
    assert (finding.id, finding.severity) == ("bitsandbytes.old-card", "warn")


def test_bitsandbytes_that_fits_or_runs_on_the_cpu() -> None:
    assert only(check_bitsandbytes(box())).severity == "ok"
    cpu = replace(STACK, torch=CPU_TORCH, bitsandbytes_cuda=())
    assert only(check_bitsandbytes(box(stack=cpu))).severity == "ok"
