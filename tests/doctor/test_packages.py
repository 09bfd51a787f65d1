"""Packages that do not go together, the way public reports had them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.doctor.facts import Box
from engine.doctor.host import Host, Python
from engine.doctor.packages import (
    CHECKS,
    check_conflicts,
    check_copies,
    check_cuda_libraries,
    check_flash_attention,
    check_metadata,
    check_numpy,
)
from engine.doctor.software import FlashAttention, SoftwareFacts
from engine.doctor.stack import read_stack
from engine.findings import Finding
from engine.setup.conflicts import Conflict, meets
from engine.setup.torch_build import TorchBuild
from tests.doctor.boxes import CUDA_13, STACK, box, only, tree

SITE = "usr/lib/python3.11/site-packages"
TORCH_26 = TorchBuild("2.6.0+cu124", "12.4", "", Path("/site/torch"))
TORCH_28 = TorchBuild("2.8.0+cu128", "12.8", "", Path("/site/torch"))


def with_software(torch: TorchBuild = CUDA_13, **facts: object) -> Box:
    software = replace(SoftwareFacts(), **facts)  # type: ignore[arg-type]
    return box(stack=replace(STACK, torch=torch, software=software))


def read(tmp_path: Path, files: dict[str, str]) -> Box:
    paths = ("/usr/lib/python3.11", f"/{SITE}")
    host = Host(
        {"PATH": "/usr/bin"},
        root=tree(tmp_path, files),
        python=Python("/usr/bin/python3", (3, 11, 9), paths),
        probes={},
    )
    return box(stack=read_stack(host))


def test_a_usual_box_has_nothing_to_say() -> None:
    assert [found for check in CHECKS for found in check(box())] == []


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        # https://github.com/pytorch/pytorch/issues/132179
        ({"numpy": "2.1.0", "torch": "2.2.1"}, "torch 2.2.1"),
        ({"numpy": "2.0.0", "torch": "2.6.0", "pandas": "2.1.4"}, "pandas 2.1.4"),
        ({"numpy": "1.26.4", "torch": "2.2.1"}, ""),
        ({"numpy": "2.4.6", "torch": "2.13.0", "pandas": "3.1.1"}, ""),
    ],
)
def test_numpy_2_beside_older_packages(versions: dict[str, str], told: str) -> None:
    found = check_numpy(with_software(versions=versions))
    assert bool(found) == bool(told)
    if told:
        assert told in found[0].message
        assert "numpy<2" in found[0].fix


def test_requirements_of_installed_packages_are_compared(tmp_path: Path) -> None:
    here = read(
        tmp_path,
        {
            f"{SITE}/transformers-5.23.0.dist-info/METADATA": "Name: transformers\n"
            "Requires-Dist: tokenizers<0.24.0,>=0.23.1\nRequires-Dist: tqdm>=4.60\n"
            "Requires-Dist: torch>=2.6; extra == 'torch'\n\nbody\n",
            f"{SITE}/trl-1.16.0.dist-info/METADATA": "Requires-Dist: accelerate>=1.20\n\n",
            f"{SITE}/tokenizers-0.21.0.dist-info/METADATA": "Name: tokenizers\n\n",
            f"{SITE}/accelerate-1.15.0.dist-info/METADATA": "Name: accelerate\n\n",
            f"{SITE}/torch-2.5.0.dist-info/METADATA": "Name: torch\n\n",
        },
    )
    breaking, fragile = check_conflicts(here)
    assert (breaking.severity, fragile.severity) == ("fail", "warn")
    assert "tokenizers 0.21.0 is installed" in breaking.message
    assert breaking.fix == "/usr/bin/python3 -m pip install 'tokenizers<0.24.0,>=0.23.1'"
    assert "accelerate 1.15.0" in fragile.message


@pytest.mark.parametrize(
    ("version", "requirement", "met"),
    [
        ("2.13.0+cu130", "torch<3,>=2.4", True),
        ("3.0", "torch<3,>=2.4", False),
        ("1.13.1", "sympy==1.13.1", True),
        ("1.14.0", "sympy==1.13.1", False),
        ("1.14.0", "sympy!=1.14", False),
        ("4.2", "x>4.2", False),
        ("4.2", "x<=4.2.0", True),
        ("1.9", "x==1.*", True),
        ("1.9", "x~=1.4", True),
        ("local", "x>=9", True),
        ("1.0", "x", True),
    ],
)
def test_bounds(version: str, requirement: str, met: bool) -> None:
    assert meets(version, requirement) == met


def test_an_installation_cut_short(tmp_path: Path) -> None:
    here = read(
        tmp_path,
        {
            f"{SITE}/peft-0.21.2.dist-info/RECORD": "",
            f"{SITE}/trl-1.16.0.dist-info/METADATA": "Name: trl\n\n",
        },
    )
    finding = only(check_metadata(here))
    assert finding.severity == "fail"
    assert finding.where == f"/{SITE}/peft-0.21.2.dist-info"
    assert "--force-reinstall --no-deps peft==0.21.2" in finding.fix


def test_two_torches_and_the_one_of_the_user() -> None:
    two = (("/venv/torch", "2.13.0"), ("/usr/torch", "2.6.0"))
    finding = only(check_copies(with_software(torches=two)))
    assert "hides torch 2.6.0 in /usr/torch" in finding.message
    assert "pip uninstall -y torch" in finding.fix
    mine = (("/root/.local/lib/python3.11/site-packages/torch", "2.6.0"), two[0])
    finding = only(check_copies(with_software(torches=mine, user_site=True)))
    assert (finding.fix, finding.safe) == ("export PYTHONNOUSERSITE=1", True)
    assert check_copies(with_software(torches=(two[0], ("/usr/torch", "2.13.0")))) == []


def test_copies_are_found_on_the_path(tmp_path: Path) -> None:
    version = "__version__ = '{}'\ncuda = '13.0'\n"
    here = read(
        tmp_path,
        {
            "usr/lib/python3.11/torch/version.py": version.format("2.9.1+cu130"),
            "usr/lib/python3.11/torch/__init__.py": "",
            f"{SITE}/torch/version.py": version.format("2.13.0+cu130"),
            f"{SITE}/torch/__init__.py": "",
        },
    )
    assert here.stack.torch is not None
    assert here.stack.torch.folder == Path("/usr/lib/python3.11/torch")
    assert "hides torch 2.13.0+cu130" in only(check_copies(here)).message


@pytest.mark.parametrize(
    ("packages", "told"),
    [
        (("nvidia-cudnn-cu12", "nvidia-cudnn-cu13"), "overwrite"),
        (("nvidia-cudnn-cu12", "nvidia-nccl-cu12"), "not its own"),
        (("nvidia-cudnn-cu13", "nvidia-nccl-cu13", "nvidia-ml-py"), ""),
        (("nvidia-cudnn-cu13", "nvidia-cublas-cu12"), ""),  # different folders
        ((), ""),
    ],
)
def test_libraries_of_two_cuda_majors(packages: tuple[str, ...], told: str) -> None:
    found = check_cuda_libraries(with_software(versions=dict.fromkeys(packages, "9.1")))
    assert bool(found) == bool(told)
    if told:
        assert told in found[0].message
        assert "pip uninstall -y nvidia-cudnn-cu12" in found[0].fix


@pytest.mark.parametrize(
    ("flash", "torch", "glibc", "told"),
    [
        # https://github.com/Dao-AILab/flash-attention/issues/2225
        (
            FlashAttention("2.8.2", "flash_attn-2.8.2+cu128torch2.8-cp312-cp312-linux_x86_64.whl"),
            TORCH_28,
            (2, 31),
            "glibc 2.32",
        ),
        (FlashAttention("2.8.3", glibc=(2, 32)), TORCH_28, (2, 28), "glibc 2.32"),
        # https://github.com/Dao-AILab/flash-attention/issues/1717
        (FlashAttention("2.8.0.post2", abi="new"), TORCH_26, (2, 35), "C++ ABI"),
        # https://github.com/Dao-AILab/flash-attention/issues/1644
        (FlashAttention("2.7.4.post1", abi="old"), TORCH_28, (2, 35), "C++ ABI"),
        (
            FlashAttention(
                "2.8.3", "flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp312-cp312-linux_x86_64.whl"
            ),
            TORCH_28,
            (2, 35),
            "torch 2.7",
        ),
        (FlashAttention("2.8.3", "x-2.8.3+cu12torch2.13-cp312-a.whl"), CUDA_13, (2, 35), "CUDA 12"),
        (FlashAttention("2.8.3", "x-2.8.3+cu12torch2.8-cp311-a.whl"), TORCH_28, (2, 35), "Python"),
        (FlashAttention("2.8.3", abi="new", glibc=(2, 32)), TORCH_28, (2, 35), ""),
        (FlashAttention("2.8.3"), TORCH_28, (0, 0), ""),
    ],
)
def test_flash_attention_beside_torch(
    flash: FlashAttention, torch: TorchBuild, glibc: tuple[int, int], told: str
) -> None:
    finding = only(check_flash_attention(with_software(torch, flash=flash, glibc=glibc)))
    assert finding.severity == ("warn" if told else "ok")
    assert told in finding.message
    assert ("sdpa" in finding.fix) == bool(told)


@pytest.mark.parametrize("check", [check_numpy, check_conflicts, check_metadata, check_copies])
def test_an_old_python_is_told_alone(check: Callable[[Box], list[Finding]]) -> None:
    here = with_software(
        versions={"numpy": "2.0", "torch": "2.2"},
        cut_short=("/x/peft-0.1.dist-info",),
        torches=(("/a", "1"), ("/b", "2")),
    )
    clash = (Conflict("transformers", "tqdm>=4", "tqdm 3"),)
    stack = replace(here.stack, version=(3, 10, 4), conflicts=clash)
    assert check(replace(here, stack=stack)) == []
    assert check(replace(here, stack=replace(stack, version=(3, 12, 1)))) != []
