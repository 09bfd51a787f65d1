"""This very box as the solver asks for it: driver, cards, system and Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from engine.setup.driver import has_nvidia_gpu, kernel_driver
from engine.setup.solver import Box

# nvidia-smi wakes each card first where the driver's persistence mode is off.
_TIMEOUT_S = 20.0


def this_box(root: Path = Path("/")) -> Box:
    """Read it; what cannot be known stays empty."""
    has_gpu = has_nvidia_gpu(root)
    driver, cards = ask_smi() if has_gpu else ("", ())
    return Box(
        has_gpu,
        kernel_driver(root) or driver,
        capabilities=cards,
        glibc=this_glibc(),
        python=(sys.version_info[0], sys.version_info[1]),
        machine=os.uname().machine,
    )


def ask_smi() -> tuple[str, tuple[tuple[int, int], ...]]:
    """The driver's version and the compute capability of each card, as nvidia-smi tells them.

    The driver's own program, because NVIDIA's Python binding may not be installed yet. Cards that
    CUDA_VISIBLE_DEVICES hides by their number are left out.
    """
    command = ["nvidia-smi", "--query-gpu=driver_version,compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return "", ()
    return read_smi(done.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))


def read_smi(text: str, visible: str | None = None) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The same from its answer, one line per card: `570.133.20, 12.0`."""
    found = re.findall(r"^\s*([\d.]+)\s*,\s*(\d+)\.(\d+)\s*$", text, re.MULTILINE)
    cards = [(int(major), int(small)) for _, major, small in found]
    numbers = [word.strip() for word in visible.split(",")] if visible else []
    chosen = [cards[int(word)] for word in numbers if word.isdecimal() and int(word) < len(cards)]
    return found[0][0] if found else "", tuple(chosen or cards)


def this_glibc() -> tuple[int, int]:
    """The C library's version, (0, 0) where it is another one."""
    try:
        told = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (OSError, ValueError):
        return (0, 0)
    match = re.search(r"(\d+)\.(\d+)", told)
    return (int(match[1]), int(match[2])) if match else (0, 0)
