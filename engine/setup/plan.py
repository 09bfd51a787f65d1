"""The plan of a setup: which torch is kept or installed, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.errors import EXIT_NO, TailfinError
from engine.setup.driver import min_driver
from engine.setup.installed import older
from engine.setup.releases import missing_code
from engine.setup.solver import MIN_TORCH, Box, Fit, NoFit, dotted, solve
from engine.setup.torch_build import TorchBuild


@dataclass(frozen=True, slots=True)
class TorchPlan:
    """What happens to torch: `fit` is what is installed, None where one stays or an index decides.

    `replace` says that an installed one is overwritten.
    """

    action: Literal["keep", "install"]
    reason: str
    replace: bool = False
    fit: Fit | None = None


def plan_for_new_environment(
    build: TorchBuild | None,
    box: Box,
    works: Callable[[], bool],
    *,
    tested: str,
    torch_index: str = "",
    cuda: tuple[int, int] | None = None,
) -> TorchPlan:
    """Whether a fresh environment lets the torch of its parent interpreter shine through.

    `works` runs a kernel on the GPU with that torch; it is asked last, because it costs seconds.
    `tested` is the release of the tested torch. TailfinError where no torch fits.
    """
    fault = _fault(build, box, works, cuda)
    if build is not None and build.for_gpu and box.has_gpu and not fault:
        return TorchPlan("keep", f"torch {build.label} works on this box and is reused")
    fit = None if torch_index else _solved(box, tested, cuda)
    why = fault or "the one beside this Python is a CPU build"
    return TorchPlan("install", _installed(fit, why), fit=fit)


def plan_for_this_interpreter(
    build: TorchBuild | None,
    box: Box,
    works: Callable[[], bool],
    *,
    tested: str,
    torch_index: str = "",
    cuda: tuple[int, int] | None = None,
    replace_torch: bool = False,
) -> TorchPlan:
    """Whether the running interpreter's torch stays; it is replaced only when asked to be.

    TailfinError where it does not fit and was not to be replaced, and where no torch fits.
    """
    if build is None or replace_torch:
        fit = None if torch_index else _solved(box, tested, cuda)
        if build is None:
            return TorchPlan(
                "install", _installed(fit, "there is none beside this Python"), fit=fit
            )
        by = f" by {fit.label}: {fit.reason}" if fit is not None else ""
        return TorchPlan("install", f"torch {build.label} is replaced{by}, as asked", True, fit)
    fault = _fault(build, box, works, cuda)
    if not fault:
        return TorchPlan("keep", f"torch {build.label} works on this box and stays")
    answer = solve(box, tested, cuda)
    if isinstance(answer, NoFit):
        advice = answer.advice
    else:
        advice = (
            f"Run: {answer.command(replace_torch=True)}  (installs torch {answer.label}); "
            "or set tailfin up in an environment of its own."
        )
    raise TailfinError(
        f"torch {build.label} does not fit this box: {fault}.",
        advice,
        where=build.folder,
        error_id="setup.torch-unfit",
        exit_code=EXIT_NO,
    )


def _misfit(build: TorchBuild, box: Box) -> str:
    """Why a torch cannot be used here, as far as its files and the driver tell; empty if it can."""
    if older(build.version, MIN_TORCH):
        return f"{build.version} is older than {MIN_TORCH}"
    if not box.has_gpu:
        return ""
    if not build.for_gpu:
        return f"{build.version} is a CPU build beside a GPU"
    if not build.cuda:
        return ""
    major = build.cuda_release[0]
    if not box.speaks(major):
        need = min_driver(major)
        return f"CUDA {build.cuda} needs driver {need} or newer, this box has {box.described}"
    return ""


def _fault(
    build: TorchBuild | None,
    box: Box,
    works: Callable[[], bool],
    cuda: tuple[int, int] | None,
) -> str:
    """Why this torch cannot be used here, empty where it can."""
    if build is None:
        return "there is none beside this Python"
    fault = _misfit(build, box)
    if fault or not box.has_gpu:
        return fault
    if cuda is not None and build.cuda and build.cuda_release != cuda:
        return f"{build.version} is not a build for CUDA {dotted(cuda)}"
    if works():
        return ""
    missing = missing_code(build.version, build.cuda_release, box.capabilities, box.machine)
    if build.cuda and missing:
        return f"{build.version} has no code for compute capability {dotted(missing[0])}"
    return f"{build.version} did not run a kernel on the GPU"


def _installed(fit: Fit | None, why: str) -> str:
    if fit is None:
        return f"torch will be installed from the index named: {why}"
    return f"torch {fit.label} will be installed: {why}; {fit.reason}"


def _solved(box: Box, tested: str, cuda: tuple[int, int] | None) -> Fit:
    """The solver's answer; stops before gigabytes are fetched that this box cannot run."""
    answer = solve(box, tested, cuda)
    if isinstance(answer, Fit):
        return answer
    raise TailfinError(
        f"No torch fits this box: {answer.reason}.",
        answer.advice,
        error_id="setup.no-torch-fits",
        exit_code=EXIT_NO,
    )
