"""The plan of a setup: which torch is kept or installed, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.errors import EXIT_NO, TailfinError
from engine.setup.driver import PINNED_CUDA_MAJOR, min_driver, runs_cuda
from engine.setup.installed import older
from engine.setup.torch_build import TorchBuild

MIN_TORCH = "2.6"


@dataclass(frozen=True, slots=True)
class TorchPlan:
    """What happens to torch; `replace` says that an installed one is overwritten."""

    action: Literal["keep", "install"]
    reason: str
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """What decides about torch: a GPU handed to us and its driver's version, if known."""

    has_gpu: bool
    driver: str


def plan_for_new_environment(
    build: TorchBuild | None, box: Box, works: Callable[[], bool], *, torch_index: str = ""
) -> TorchPlan:
    """Whether a fresh environment lets the torch of its parent interpreter shine through.

    `works` runs a kernel on the GPU with that torch; it is asked last, because it costs seconds.
    """
    fault = _fault(build, box, works)
    if build is not None and build.for_gpu and box.has_gpu and not fault:
        return TorchPlan("keep", f"torch {build.label} works on this box and is reused")
    _check_driver(box, torch_index)
    if fault:
        return TorchPlan("install", f"torch will be installed: {fault}")
    return TorchPlan(
        "install", "torch will be installed: the one beside this Python is a CPU build"
    )


def plan_for_this_interpreter(
    build: TorchBuild | None,
    box: Box,
    works: Callable[[], bool],
    *,
    torch_index: str = "",
    replace_torch: bool = False,
) -> TorchPlan:
    """Whether the running interpreter's torch stays; it is replaced only when asked to be."""
    fault = _fault(build, box, works)
    if build is None:
        _check_driver(box, torch_index)
        return TorchPlan("install", f"torch will be installed: {fault}")
    if replace_torch:
        _check_driver(box, torch_index)
        return TorchPlan("install", f"torch {build.label} is replaced as asked", replace=True)
    if not fault:
        return TorchPlan("keep", f"torch {build.label} works on this box and stays")
    raise TailfinError(
        f"torch {build.label} does not fit this box: {fault}.",
        "Run: tailfin setup --replace-torch, or set tailfin up in an environment of its own.",
        where=build.folder,
        error_id="setup.torch-unfit",
        exit_code=EXIT_NO,
    )


def _fault(build: TorchBuild | None, box: Box, works: Callable[[], bool]) -> str:
    """Why this torch cannot be used here, empty where it can."""
    if build is None:
        return "there is none beside this Python"
    if older(build.version, MIN_TORCH):
        return f"{build.version} is older than {MIN_TORCH}"
    if not box.has_gpu:
        return ""
    if not build.for_gpu:
        return f"{build.version} is a CPU build beside a GPU"
    if build.cuda and box.driver and not runs_cuda(box.driver, build.cuda_release[0]):
        need = min_driver(build.cuda_release[0])
        return f"CUDA {build.cuda} needs driver {need} or newer, this box has {box.driver}"
    return "" if works() else f"{build.version} did not run a kernel on the GPU"


def _check_driver(box: Box, torch_index: str) -> None:
    """Stop before gigabytes are fetched that this driver cannot run."""
    if torch_index or not box.driver or runs_cuda(box.driver, PINNED_CUDA_MAJOR):
        return
    raise TailfinError(
        f"The tested torch is built for CUDA {PINNED_CUDA_MAJOR}, which needs driver "
        f"{min_driver(PINNED_CUDA_MAJOR)} or newer; this box has driver {box.driver}.",
        "Take the index address of a CUDA 12 build from pytorch.org/get-started/locally and run: "
        "tailfin setup --torch-index ADDRESS (make: TORCH_INDEX=ADDRESS); or rent a host with a "
        "newer driver.",
        error_id="setup.driver-too-old",
        exit_code=EXIT_NO,
    )
