"""The torch of an interpreter: its version and CUDA build, known without importing it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

# is_available() is True even where the build has no kernel for the card, so one kernel is run.
_PROBE = (
    "import sys, torch\n"
    "ok = torch.cuda.is_available() and torch.ones(2, device='cuda').add(1).sum().item() == 4\n"
    "sys.exit(0 if ok else 1)\n"
)
PROBE_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """A torch on disk; `cuda` is such as "13.0", empty in a CPU build; `folder` is the package."""

    version: str
    cuda: str
    hip: str
    folder: Path

    @property
    def for_gpu(self) -> bool:
        return bool(self.cuda or self.hip)

    @property
    def cuda_release(self) -> tuple[int, int]:
        """CUDA major and minor, (0, 0) in a build without CUDA."""
        major, _, minor = self.cuda.partition(".")
        return (int(major), int(minor or 0)) if self.cuda else (0, 0)

    @property
    def label(self) -> str:
        """Version and kind in words, such as `2.13.0 (CUDA 13.0)`."""
        kind = f"CUDA {self.cuda}" if self.cuda else f"ROCm {self.hip}" if self.hip else "CPU only"
        return f"{self.version.partition('+')[0]} ({kind})"


def find_torch(paths: Sequence[str] | None = None) -> TorchBuild | None:
    """The torch an import would load, or None; reads torch/version.py, imports nothing."""
    spec = PathFinder.find_spec("torch", None if paths is None else list(paths))
    if spec is None or spec.origin is None:  # a plain folder named torch is no torch
        return None
    return read_build(Path(spec.origin).parent)


def read_build(folder: Path) -> TorchBuild | None:
    """The build in a torch package folder, or None where it has no readable version.py."""
    try:
        text = (folder / "version.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    version = _value(text, "__version__")
    if not version:
        return None
    return TorchBuild(version, _value(text, "cuda"), _value(text, "hip"), folder)


def works_on_gpu(python: str = sys.executable, timeout_s: float = PROBE_TIMEOUT_S) -> bool:
    """Whether that interpreter's torch runs a kernel on a GPU; one subprocess, seconds."""
    command = [python, "-P", "-c", _PROBE]
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _value(text: str, name: str) -> str:
    """The quoted value of a module-level name, with or without an annotation; None is empty."""
    match = re.search(rf"^{name}\s*(?::[^=\n]+)?=\s*['\"]([^'\"]*)['\"]", text, re.MULTILINE)
    return match[1] if match else ""
