"""The driver is read from the kernel's own file, as different driver packages write it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.setup.driver import gpu_nodes, has_nvidia_gpu, kernel_driver, min_driver, runs_cuda

CLOSED = """NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023
GCC version:  gcc version 11.4.0 (Ubuntu 11.4.0-1ubuntu1~22.04)
"""
OPEN = """NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.133.20  Release Build
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14+deb12u1)
"""


@pytest.mark.parametrize(("text", "version"), [(CLOSED, "535.104.05"), (OPEN, "570.133.20")])
def test_both_kernel_modules_are_read(tmp_path: Path, text: str, version: str) -> None:
    _driver_file(tmp_path, text)
    assert kernel_driver(tmp_path) == version


@given(text=st.text(max_size=200))
def test_other_text_never_breaks_it(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = tmp_path_factory.mktemp("root")
    _driver_file(root, text)
    found = kernel_driver(root)
    assert found == "" or found in text


def test_no_driver_is_empty(tmp_path: Path) -> None:
    assert kernel_driver(tmp_path) == ""
    assert gpu_nodes(tmp_path) == []
    assert not has_nvidia_gpu(tmp_path)


def test_only_numbered_devices_are_gpus(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    for name in ("nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / "dev" / name).touch()
    assert gpu_nodes(tmp_path) == ["/dev/nvidia2", "/dev/nvidia10"]
    assert has_nvidia_gpu(tmp_path)


@pytest.mark.parametrize(
    ("driver", "cuda_major", "runs"),
    [
        ("580.65.06", 13, True),
        ("575.57.08", 13, False),
        ("525.60.13", 12, True),
        ("470.199.02", 12, False),
        ("575.57.08", 14, False),  # newer than any rule: the newest rule holds at least
    ],
)
def test_the_rule_of_cuda_majors(driver: str, cuda_major: int, runs: bool) -> None:
    assert runs_cuda(driver, cuda_major) == runs
    assert min_driver(cuda_major) > 0


def _driver_file(root: Path, text: str) -> None:
    folder = root / "proc/driver/nvidia"
    folder.mkdir(parents=True)
    (folder / "version").write_text(text, encoding="utf-8", errors="replace")
