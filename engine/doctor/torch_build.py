"""Whether the installed torch and bitsandbytes fit this driver and these cards."""

from __future__ import annotations

from engine.doctor.facts import Box, Gpu
from engine.findings import Finding
from engine.setup.driver import min_driver, runs_cuda
from engine.setup.installed import older
from engine.setup.plan import MIN_TORCH
from engine.setup.torch_build import TorchBuild

_OTHER_BUILD = (
    "Take the index address of a fitting build from pytorch.org/get-started/locally and run: "
    "tailfin setup --replace-torch --torch-index ADDRESS"
)


def check_torch(box: Box) -> list[Finding]:
    """The torch build: there, new enough, for a GPU where there is one, for this driver."""
    build = box.stack.torch
    if build is None and not box.stack.runs:
        return []  # named by the check of the interpreter
    if build is None:
        message = "torch is not installed in the Python that trains."
        fix = box.stack.setup_command("torch")
        return [Finding("torch.missing", "fail", message, fix, box.stack.python)]
    where = str(build.folder)
    if older(build.version, MIN_TORCH):
        message = f"torch {build.label} is older than {MIN_TORCH}, the oldest that works here."
        return [Finding("torch.too-old", "fail", message, "tailfin setup --replace-torch", where)]
    if box.gpu.handed and not build.for_gpu:
        message = f"torch {build.label} cannot use the GPU of this box."
        fix = "tailfin setup --replace-torch"
        return [Finding("torch.cpu-build", "fail", message, fix, where)]
    driver = box.gpu.driver
    if box.gpu.handed and build.cuda and driver and not runs_cuda(driver, build.cuda_release[0]):
        need = min_driver(build.cuda_release[0])
        message = (
            f"torch {build.label} needs driver {need} or newer, this box has {driver}: "
            "the GPU would look absent."
        )
        fix = f"{_OTHER_BUILD}; or rent a host with a newer driver."
        return [Finding("gpu.driver-too-old", "fail", message, fix, where)]
    return [Finding("torch", "ok", f"torch {build.label}.", where=where)]


def check_kernels(box: Box) -> list[Finding]:
    """Whether the build has code for each card's generation (pytorch#172352, #190385)."""
    build = box.stack.torch
    if build is None or not build.cuda:
        return []
    return [
        Finding("torch.no-kernel", "fail", trouble, _OTHER_BUILD, f"GPU {gpu.index}")
        for gpu in box.gpu.gpus
        if (trouble := _missing_kernel(build, gpu))
    ]


def check_bitsandbytes(box: Box) -> list[Finding]:
    """Whether bitsandbytes has a library for torch's CUDA; it never falls back across majors."""
    stack = box.stack
    version = stack.installed.get("bitsandbytes")
    if version is None:
        return []  # named by the check of the stack
    if stack.torch is None or not stack.torch.cuda:
        return [Finding("bitsandbytes", "ok", f"bitsandbytes {version}.")]
    if stack.bitsandbytes_override:
        message = (
            f"BNB_CUDA_VERSION={stack.bitsandbytes_override} overrides which library "
            "bitsandbytes loads, without any fallback."
        )
        return [Finding("bitsandbytes.override", "warn", message, "unset BNB_CUDA_VERSION")]
    major = stack.torch.cuda_release[0]
    if all(release[0] != major for release in stack.bitsandbytes_cuda):
        have = ", ".join(f"{a}.{b}" for a, b in stack.bitsandbytes_cuda) or "none"
        message = (
            f"bitsandbytes {version} has no library for CUDA {major} (it has {have}): "
            "4-bit weights and 8-bit optimizers will not load."
        )
        fix = f"{stack.python} -m pip install --upgrade bitsandbytes"
        return [Finding("bitsandbytes.no-library", "fail", message, fix)]
    message = f"bitsandbytes {version}, with a library for CUDA {major}."
    return [Finding("bitsandbytes", "ok", message)]


CHECKS = (check_torch, check_kernels, check_bitsandbytes)


def _missing_kernel(build: TorchBuild, gpu: Gpu) -> str:
    """Why this build has no code for this card; empty where it has."""
    cuda = build.cuda_release
    name = f"{gpu.name} (compute capability {gpu.capability[0]}.{gpu.capability[1]})"
    if gpu.capability >= (10, 0) and cuda < (12, 8):
        return f"torch {build.label} has no code for the {name}; CUDA 12.8 builds and newer have."
    if gpu.capability < (7, 5) and cuda >= (13, 0):
        return f"torch {build.label} has no code for the {name} any more; CUDA 12.6 builds have."
    return ""
