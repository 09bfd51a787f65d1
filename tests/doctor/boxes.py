"""Boxes as values and as trees of files, for the tests of the checks."""

from __future__ import annotations

from pathlib import Path

from engine.doctor.facts import (
    Box,
    Gpu,
    GpuFacts,
    HubFacts,
    LimitFacts,
    StackFacts,
    StorageFacts,
    TerminalFacts,
    Volume,
)
from engine.findings import Finding
from engine.setup.torch_build import TorchBuild

H100 = Gpu(0, "NVIDIA H100 80GB HBM3", 79.6, 79.1, (9, 0))
T4 = Gpu(0, "Tesla T4", 15.0, 14.9, (7, 5))
V100 = Gpu(0, "Tesla V100-SXM2-16GB", 16.0, 15.8, (7, 0))
RTX_5090 = Gpu(0, "NVIDIA GeForce RTX 5090", 31.8, 31.3, (12, 0))

CUDA_13 = TorchBuild("2.13.0+cu130", "13.0", "", Path("/site/torch"))
CUDA_126 = TorchBuild("2.13.0+cu126", "12.6", "", Path("/site/torch"))
CPU_TORCH = TorchBuild("2.13.0+cpu", "", "", Path("/site/torch"))

GPU = GpuFacts(("/dev/nvidia0",), "580.65.06", (13, 0), (H100,))
STACK = StackFacts(
    python="/env/bin/python",
    version=(3, 12, 3),
    installed={"transformers": "5.23.0", "trl": "1.16.0", "bitsandbytes": "0.50.2"},
    minimum={"transformers": "5.0", "trl": "1.10", "bitsandbytes": "0.49"},
    torch=CUDA_13,
    bitsandbytes_cuda=((12, 6), (12, 8), (13, 0)),
)
LIMITS = LimitFacts(ram_gib=251.0, available_gib=240.0, cores=16, open_files=65535, shm_gib=32.0)
STORAGE = StorageFacts((Volume("/", 400.0, 310.0, ("model cache", "runs")),))
HUB = HubFacts("https://hub.example", reachable=True, has_token=True)
TERMINAL = TerminalFacts("UTF-8", "/usr/bin/tmux", True, term="xterm-256color", known=True)


def box(
    gpu: GpuFacts = GPU,
    stack: StackFacts = STACK,
    limits: LimitFacts = LIMITS,
    storage: StorageFacts = STORAGE,
    hub: HubFacts = HUB,
    terminal: TerminalFacts = TERMINAL,
) -> Box:
    """A box on which everything is fine, apart from what is given."""
    return Box(gpu, stack, limits, storage, hub, terminal)


def only(findings: list[Finding]) -> Finding:
    """The one finding of a check."""
    assert len(findings) == 1, findings
    return findings[0]


def tree(root: Path, files: dict[str, str]) -> Path:
    """Write files below a root, by their path without the leading slash."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root
