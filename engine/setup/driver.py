"""The NVIDIA driver: what the kernel says of it, and which CUDA builds it can run."""

from __future__ import annotations

import re
from pathlib import Path

# docs.nvidia.com/deploy/cuda-compatibility: minor version compatibility within a CUDA major.
MIN_DRIVER_BY_CUDA_MAJOR = {11: 450, 12: 525, 13: 580}

_VERSION = re.compile(r"^NVRM version:.*?\s(\d{3,}(?:\.\d+)+)", re.MULTILINE)


def kernel_driver(root: Path = Path("/")) -> str:
    """The loaded driver's version, such as `535.104.05`; empty where there is none."""
    try:
        text = (root / "proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    match = _VERSION.search(text)
    return match[1] if match else ""


def gpu_nodes(root: Path = Path("/")) -> list[str]:
    """The GPU device files handed to this machine or container, such as `/dev/nvidia0`."""
    try:
        names = [path.name for path in (root / "dev").iterdir()]
    except OSError:
        return []
    numbered = [name for name in names if re.fullmatch(r"nvidia\d+", name)]
    return [f"/dev/{name}" for name in sorted(numbered, key=lambda name: int(name[6:]))]


def has_nvidia_gpu(root: Path = Path("/")) -> bool:
    """Whether a GPU is handed to us: a device file, or WSL's shared device with its library."""
    wsl = (root / "dev/dxg").exists() and (root / "usr/lib/wsl/lib/libcuda.so.1").exists()
    return wsl or bool(gpu_nodes(root))


def min_driver(cuda_major: int) -> int:
    """The lowest driver branch that runs a CUDA major; 0 where no rule is known."""
    newest = max(MIN_DRIVER_BY_CUDA_MAJOR)
    return MIN_DRIVER_BY_CUDA_MAJOR.get(min(cuda_major, newest), 0)


def runs_cuda(driver: str, cuda_major: int) -> bool:
    """Whether a driver version such as `535.104.05` can run builds of a CUDA major."""
    return int(driver.partition(".")[0]) >= min_driver(cuda_major)
