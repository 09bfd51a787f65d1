"""Packages that are there and do not go together: copies, conflicts, other CUDA majors, ABIs."""

from __future__ import annotations

import re
import shlex

from engine.doctor.facts import Box
from engine.doctor.software import FlashAttention, is_cuda_library
from engine.findings import Finding, Severity
from engine.setup.installed import older, release

# The first of each whose wheels know NumPy 2 (numpy#26191).
_FIRST_WITH_NUMPY_2 = {
    "torch": "2.3",
    "pandas": "2.2.2",
    "scipy": "1.13",
    "scikit-learn": "1.4.2",
    "pyarrow": "16.0",
}
# transformers compares these when it is imported (its dependency_versions_check.py).
_CHECKED_AT_IMPORT = ("transformers",)


def check_numpy(box: Box) -> list[Finding]:
    """NumPy 2 beside compiled packages of NumPy 1's time."""
    versions, stack = box.stack.software.versions, box.stack
    numpy = versions.get("numpy", "")
    if not stack.can_train or not numpy or older(numpy, "2"):
        return []
    old = [
        f"{name} {versions[name]}"
        for name, first in _FIRST_WITH_NUMPY_2.items()
        if name in versions and older(versions[name], first)
    ]
    if not old:
        return []
    message = f"numpy {numpy} is installed beside {', '.join(old)}, compiled for NumPy 1."
    why = "Tensors and arrays cannot be exchanged then: data loading ends in an error or a crash."
    fix = f'{stack.python} -m pip install "numpy<2"'
    return [Finding("stack.numpy-2", "fail", message, fix, stack.python, why)]


def check_conflicts(box: Box) -> list[Finding]:
    """Installed packages that ask for other versions of each other."""
    found = []
    for conflict in box.stack.conflicts if box.stack.can_train else ():
        message = f"{conflict.package} asks for {conflict.wanted}, and {conflict.has} is installed."
        checked = conflict.package in _CHECKED_AT_IMPORT
        why = (
            f"{conflict.package} compares versions when it is imported and stops."
            if checked
            else f"{conflict.package} was not made for it and may fail in the middle of a run."
        )
        fix = f"{box.stack.python} -m pip install {shlex.quote(_plain(conflict.wanted))}"
        severity: Severity = "fail" if checked else "warn"
        found.append(Finding("stack.conflict", severity, message, fix, box.stack.python, why))
    return found


def check_metadata(box: Box) -> list[Finding]:
    """Packages whose installation was cut short."""
    findings = []
    for folder in box.stack.software.cut_short if box.stack.can_train else ():
        name, _, version = folder.rpartition("/")[2].removesuffix(".dist-info").partition("-")
        message = f"The installation of {name} {version} was cut short: its METADATA is missing."
        why = "Its version reads as none, and libraries that compare versions stop when imported."
        fix = (
            f"rm -r {shlex.quote(folder)} && {box.stack.python} -m pip install "
            f"--force-reinstall --no-deps {name}=={version}"
        )
        findings.append(Finding("stack.cut-short", "fail", message, fix, folder, why))
    return findings


def check_copies(box: Box) -> list[Finding]:
    """Several torches of different versions on the import path."""
    software, stack = box.stack.software, box.stack
    if not stack.can_train or len({version for _, version in software.torches}) < 2:
        return []
    (used, version), *others = software.torches
    rest = ", ".join(f"{other} in {folder}" for folder, other in others)
    message = f"torch {version} in {used} hides torch {rest}."
    why = (
        "Libraries installed for one torch are loaded beside the other, and its CUDA libraries too."
    )
    if software.user_site:
        fix = "export PYTHONNOUSERSITE=1"
        return [Finding("torch.copies", "warn", message, fix, used, why, safe=True)]
    fix = f"{stack.python} -m pip uninstall -y torch && {stack.setup_command('torch')}"
    return [Finding("torch.copies", "warn", message, fix, used, why)]


def check_cuda_libraries(box: Box) -> list[Finding]:
    """NVIDIA's libraries of another CUDA major than torch's, in the same folders."""
    stack, versions = box.stack, box.stack.software.versions
    if stack.torch is None or not stack.torch.cuda or not stack.can_train:
        return []
    major = stack.torch.cuda_release[0]
    wrong = [name for name in sorted(versions) if is_cuda_library(name) not in (0, major)]
    right = [name for name in sorted(versions) if is_cuda_library(name) == major]
    twice = [name for name in wrong if f"{name.rpartition('-')[0]}-cu{major}" in versions]
    if not wrong or (right and not twice):
        return []
    message = f"torch is built for CUDA {major}, and {', '.join(wrong)} are installed"
    message += ", which overwrite its own libraries." if twice else ", not its own libraries."
    why = "They unpack into the same folders: torch loads a library it was not built for, or none."
    again = " ".join(f"{name}=={versions[name]}" for name in right)
    fix = f"{stack.python} -m pip uninstall -y {' '.join(wrong)}"
    if right:
        fix += f" && {stack.python} -m pip install --force-reinstall --no-deps {again}"
    else:
        fix += f" && {stack.python} -m pip install --force-reinstall torch=={stack.torch.version}"
    return [Finding("torch.mixed-cuda", "warn", message, fix, str(stack.torch.folder), why)]


def check_flash_attention(box: Box) -> list[Finding]:
    """Whether an installed flash-attn can be loaded beside this torch, Python and C library."""
    software, stack = box.stack.software, box.stack
    flash = software.flash
    if flash is None or not stack.can_train:
        return []
    trouble = _flash_glibc(flash, software.glibc) or _flash_wheel(box, flash)
    if not trouble:
        return [Finding("stack.flash-attn", "ok", f"flash-attn {flash.version}.")]
    message = f"flash-attn {flash.version} cannot be loaded here: {trouble}."
    why = (
        "Only model.attention=flash_attention_2 needs it; sdpa, the default, is built into torch "
        "and trains without it."
    )
    fix = (
        f"{stack.python} -m pip uninstall -y flash-attn  "
        "# and leave model.attention at auto, or set it to sdpa"
    )
    return [Finding("stack.flash-attn", "warn", message, fix, stack.python, why)]


def _flash_glibc(flash: FlashAttention, glibc: tuple[int, int]) -> str:
    # Wheels from 2.8 on were built on a newer system (flash-attention#1708, #1762, #2225).
    asks = flash.glibc
    if asks == (0, 0) and flash.wheel.endswith(".whl") and not older(flash.version, "2.8"):
        asks = (2, 32)
    if glibc == (0, 0) or glibc >= asks:
        return ""
    return f"it asks for glibc {asks[0]}.{asks[1]}, this system has {glibc[0]}.{glibc[1]}"


def _flash_wheel(box: Box, flash: FlashAttention) -> str:
    """What the names of its symbols and of its wheel say against this torch and Python."""
    torch, python = box.stack.torch, box.stack.version
    if torch is None:
        return ""
    own = box.stack.software.torch_abi or _abi_of(torch.version, torch.cuda_release)
    abi = flash.abi or {"TRUE": "new", "FALSE": "old"}.get(_found(r"cxx11abi(TRUE|FALSE)", flash))
    if abi and own and abi != own:
        return f"it was built for the {abi} C++ ABI, torch {torch.label} has the {own} one"
    made_for = _found(r"(?:torch|pt)(\d+\.\d+)", flash)
    if made_for and release(torch.version)[:2] != release(made_for)[:2]:
        return f"its wheel was built for torch {made_for}, torch {torch.label} is installed"
    cuda = _found(r"\+cu(\d\d)", flash)
    if cuda and torch.cuda and int(cuda) != torch.cuda_release[0]:
        return f"its wheel was built for CUDA {cuda}, torch for CUDA {torch.cuda}"
    tag = _found(r"-cp(\d+)-", flash)
    if tag and tag != f"{python[0]}{python[1]}":
        return f"its wheel was built for Python {tag[0]}.{tag[1:]}"
    return ""


def _found(pattern: str, flash: FlashAttention) -> str:
    match = re.search(pattern, flash.wheel, re.IGNORECASE)
    return match[1].upper() if match else ""


def _abi_of(version: str, cuda: tuple[int, int]) -> str:
    """The C++ ABI of PyTorch's own wheels: new since 2.7, and in 2.6 for CUDA 12.6 (#152790)."""
    if not older(version, "2.7"):
        return "new"
    return "new" if release(version)[:2] == (2, 6) and cuda == (12, 6) else "old"


def _plain(requirement: str) -> str:
    """A requirement as pip takes it on a command line."""
    return requirement.replace(" ", "").replace("(", "").replace(")", "")


CHECKS = (
    check_conflicts,
    check_metadata,
    check_copies,
    check_cuda_libraries,
    check_flash_attention,
)
