"""Whether the installed torch and bitsandbytes fit this driver and these cards."""

from __future__ import annotations

from engine.doctor.facts import Box, Gpu
from engine.doctor.packages import check_numpy
from engine.doctor.stack import install_command
from engine.findings import Finding, Severity
from engine.setup import solver
from engine.setup.driver import min_driver
from engine.setup.installed import older
from engine.setup.releases import missing_code
from engine.setup.requirements import torch_pin
from engine.setup.solver import MIN_TORCH, Fit


def solver_box(box: Box) -> solver.Box:
    """What the solver asks for, of this box."""
    gpu = box.gpu
    return solver.Box(
        gpu.handed,
        gpu.driver,
        gpu.cuda,
        tuple(card.capability for card in _cards(box)),
        box.stack.software.glibc,
        (box.stack.version[0], box.stack.version[1]),
        box.stack.software.machine,
        "compat" in gpu.library.path,
    )


def fitting_torch(box: Box, *, replace_torch: bool = True) -> str:
    """The command that installs the torch that fits this box, or what to do where none does."""
    answer = solver.solve(solver_box(box), torch_pin().partition("==")[2])
    if not isinstance(answer, Fit):
        return answer.advice
    if box.stack.is_own:
        return answer.command(replace_torch=replace_torch)
    python = box.stack.python
    if not answer.for_gpu or answer.is_default:
        force = "--force-reinstall " if replace_torch else ""
        return f"{python} -m pip install {force}torch=={answer.torch}"
    force = "--reinstall-package torch " if replace_torch else ""
    return (
        f"{python} -m pip install uv && {python} -m uv pip install --python {python} {force}"
        f"--torch-backend={answer.backend} torch=={answer.torch}"
    )


def check_torch(box: Box) -> list[Finding]:
    """The torch build: there, new enough, for a GPU where there is one, for this driver."""
    build = box.stack.torch
    if not box.stack.can_train:
        return []  # named by the check of the interpreter
    if build is None:
        message = "torch is not installed in the Python that trains."
        why = "Everything that trains runs on it."
        fix = fitting_torch(box, replace_torch=False)
        if box.stack.software.externally_managed:
            fix = install_command(box, "torch")
        return [Finding("torch.missing", "fail", message, fix, box.stack.python, why)]
    where = str(build.folder)
    if older(build.version, MIN_TORCH):
        message = f"torch {build.label} is older than {MIN_TORCH}, the oldest that works here."
        why = "transformers switches an older torch off and loads no model."
        return [Finding("torch.too-old", "fail", message, fitting_torch(box), where, why)]
    if box.gpu.handed and not build.for_gpu:
        message = f"torch {build.label} cannot use the GPU of this box."
        why = "Training would run on the CPU, hundreds of times slower, or stop at once."
        return [Finding("torch.cpu-build", "fail", message, fitting_torch(box), where, why)]
    here = solver_box(box)
    if box.gpu.handed and build.cuda and not here.speaks(build.cuda_release[0]):
        message = (
            f"torch {build.label} needs driver {min_driver(build.cuda_release[0])} or newer, "
            f"this box has {here.described}."
        )
        why = "torch finds no GPU under it, although the card is there and works."
        fix = fitting_torch(box)
        return [Finding("gpu.driver-too-old", "fail", message, fix, where, why)]
    return [Finding("torch", "ok", f"torch {build.label}.", where=where)]


def check_kernels(box: Box) -> list[Finding]:
    """Whether the build has code for each card's generation (pytorch#172352, #190385)."""
    build = box.stack.torch
    if build is None or not build.cuda or not box.stack.can_train:
        return []
    here = solver_box(box)
    if not here.speaks(build.cuda_release[0]) or older(build.version, MIN_TORCH):
        return []  # replaced anyway, by one that has it
    cards = _cards(box)
    kinds = [card.capability for card in cards]
    missing = missing_code(build.version, build.cuda_release, kinds, here.machine)
    findings = []
    for kind in dict.fromkeys(missing):
        same = [card for card in cards if card.capability == kind]
        message = (
            f"torch {build.label} has no code for the {same[0].name} (compute capability "
            f"{kind[0]}.{kind[1]})."
        )
        why = (
            "is_available() says yes, and the first kernel ends with: no kernel image is "
            "available for execution on the device."
        )
        where = f"GPU {', '.join(str(card.index) for card in same)}"
        findings.append(Finding("torch.no-kernel", "fail", message, fitting_torch(box), where, why))
    return findings


def check_bitsandbytes(box: Box) -> list[Finding]:
    """Whether bitsandbytes has a library for torch's CUDA; it never falls back across majors."""
    stack = box.stack
    version = stack.installed.get("bitsandbytes")
    if version is None or not stack.can_train:
        return []  # named by the check of the stack
    if stack.bitsandbytes_override and box.gpu.handed:
        return [_override(box, version)]
    if stack.torch is None or not stack.torch.cuda:
        return [Finding("bitsandbytes", "ok", f"bitsandbytes {version}.")]
    major = stack.torch.cuda_release[0]
    if all(release[0] != major for release in stack.bitsandbytes_cuda):
        have = ", ".join(f"{a}.{b}" for a, b in stack.bitsandbytes_cuda) or "none"
        message = (
            f"bitsandbytes {version} has no library for CUDA {major} (it has {have}): "
            "4-bit weights and 8-bit optimizers will not load."
        )
        why = "QLoRA ends when the model is loaded; LoRA on unquantized weights would work."
        fix = f"{stack.python} -m pip install --upgrade bitsandbytes"
        return [Finding("bitsandbytes.no-library", "fail", message, fix, stack.python, why)]
    weak = [card for card in _cards(box) if (0, 0) < card.capability < _BITSANDBYTES_LEAST]
    if weak:
        message = f"bitsandbytes {version} has no code for the {weak[0].name}."
        why = "4-bit weights and 8-bit optimizers fail on it; LoRA on unquantized weights works."
        fix = "tailfin train --profile lora"
        where = f"GPU {weak[0].index}"
        return [Finding("bitsandbytes.old-card", "warn", message, fix, where, why)]
    message = f"bitsandbytes {version}, with a library for CUDA {major}."
    return [Finding("bitsandbytes", "ok", message)]


_BITSANDBYTES_LEAST = solver.BITSANDBYTES_MIN_CAPABILITY

# A numpy that torch cannot use is the cause, whatever else its age brings.
CHECKS = (check_numpy, check_torch, check_kernels, check_bitsandbytes)


def _override(box: Box, version: str) -> Finding:
    """BNB_CUDA_VERSION loads exactly the library it names (bitsandbytes' cextension.py)."""
    stack = box.stack
    asked = stack.bitsandbytes_override
    message = (
        f"BNB_CUDA_VERSION={asked} overrides which library bitsandbytes {version} loads, "
        "without any fallback"
    )
    cuda = solver.read_cuda(asked) if asked.isdigit() else None
    is_there = cuda in stack.bitsandbytes_cuda
    fits = (
        stack.torch is None
        or not stack.torch.cuda
        or (cuda is not None and cuda[0] == stack.torch.cuda_release[0])
    )
    if is_there and fits:
        message += "."
        why = "It is there and fits now; after an upgrade of torch it will be the wrong one."
    elif is_there:
        message += f", and torch is built for CUDA {stack.torch.cuda if stack.torch else ''}."
        why = "A library of another CUDA major than torch's does not load: QLoRA ends at once."
    else:
        message += ", and it has no such library."
        why = "bitsandbytes does not load: QLoRA and 8-bit optimizers end at once."
    severity: Severity = "warn" if is_there and fits else "fail"
    fix = "unset BNB_CUDA_VERSION"
    return Finding("bitsandbytes.override", severity, message, fix, "environment", why, safe=True)


def _cards(box: Box) -> tuple[Gpu, ...]:
    """The cards a run would see."""
    return tuple(card for card in box.gpu.seen if card.capability > (0, 0))
