"""Errors whose words tell their cause, whichever probe met them, and what cures them.

The words are those of the loader (glibc), CUDA, torch, Triton, bitsandbytes and NCCL, as the cited
threads quote them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.doctor.deep.cuda_errors import CUDA_ERRORS, cuda_fix
from engine.doctor.facts import Box
from engine.doctor.remedies import as_root, change_host
from engine.findings import Finding, Severity
from engine.runs.gpu_faults import gpu_fault

Fix = tuple[str, bool]
"""A command or a sentence, and whether it may be run for a person who saw it."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """`words` is searched in all that was said; `message` may name its groups by {number}."""

    id: str
    words: str
    message: str
    why: str
    fix: Callable[[Box, re.Match[str], str], Fix]
    severity: Severity | None = None


def recognise(box: Box, probe: str, title: str, text: str, severity: Severity) -> Finding | None:
    """The finding for an error that is known by its words; None for others.

    `severity` is the probe's own, for faults that have none.
    """
    if number := cuda_number(text):
        return cuda_finding(box, number, severity)
    for fault in _FAULTS:
        if found := re.search(fault.words, text, re.IGNORECASE):
            fix, safe = fault.fix(box, found, text)
            groups = [group or "" for group in (found[0], *found.groups())]
            message = f"{title} failed: {fault.message.format(*groups)}"
            how = fault.severity or severity
            return Finding(f"deep.{fault.id}", how, message, fix, probe, fault.why, safe)
    if known := gpu_fault(text):
        message = f"{title} failed: {known.title[0].lower()}{known.title[1:]}."
        return Finding("deep.gpu-fault", severity, message, known.action, probe, known.meaning)
    return None


def cuda_number(text: str) -> int:
    """The error of CUDA's start that a text speaks of, by its name or its words; 0 for none."""
    plain = text.lower()
    return next((number for number, error in CUDA_ERRORS.items() if error.is_in(plain)), 0)


def cuda_finding(box: Box, number: int, severity: Severity = "fail") -> Finding:
    """What a CUDA error at the driver's start means on this box."""
    error = CUDA_ERRORS[number]
    message = f"CUDA does not start: error {number}, {error.words}."
    fix, safe = cuda_fix(box, number)
    return Finding(f"deep.{error.id}", severity, message, fix, error.name, error.why, safe)


def _pip(*words: str) -> Callable[[Box, re.Match[str], str], Fix]:
    return lambda box, _found, _text: (
        f"{box.stack.python} -m pip install {' '.join(words)}",
        False,
    )


def _sentence(text: str) -> Callable[[Box, re.Match[str], str], Fix]:
    return lambda _box, _found, _text: (text, False)


def _replace_torch(_box: Box, _found: re.Match[str], _text: str) -> Fix:
    return "tailfin setup --replace-torch", False


def _kernel_image(box: Box, _found: re.Match[str], _text: str) -> Fix:
    """A build with code for the card: Blackwell from CUDA 12.8 on, Volta and older up to 12.6."""
    cards = [card.capability for card in box.gpu.gpus]
    if any(capability >= (10, 0) for capability in cards):
        return "tailfin setup --replace-torch --cuda 12.8", False
    if any(capability < (7, 5) for capability in cards):
        return "tailfin setup --replace-torch --cuda 12.6", False
    return "tailfin setup --replace-torch", False


def _cuda_of_driver(box: Box, _found: re.Match[str], _text: str) -> Fix:
    """A build the driver can run, else another host."""
    branch = int(box.gpu.driver.partition(".")[0] or 0)
    if 0 < branch < 525:
        return change_host(box.platform), False
    return "tailfin setup --replace-torch --cuda 12.8", False


def _libstdcxx(box: Box, found: re.Match[str], text: str) -> Fix:
    """conda brings its own C++ library; elsewhere a path set by hand leads to an old one."""
    file = re.search(r"(/\S*?)/(?:bin/\.\./)?lib/libstdc\+\+", text)
    here = re.search(r"^(/\S*(?:conda|mamba|miniforge|/envs/)[^/]*\S*?)/bin/", box.stack.python)
    is_conda = file is not None and re.search(r"conda|mamba|miniforge|/envs/", file[1])
    if is_conda and file is not None:
        return f"conda install -y -p {file[1]} -c conda-forge libstdcxx-ng", False
    if here:
        return f"conda install -y -p {here[1]} -c conda-forge libstdcxx-ng", False
    if box.deep.library_path:
        return "unset LD_LIBRARY_PATH", False
    return (
        "Use a newer image (Ubuntu 22.04 or later): the C++ library belongs to the system.",
        False,
    )


def _library_path(box: Box, _found: re.Match[str], _text: str) -> Fix:
    """Other libraries of CUDA stand before torch's own, or torch's own do not fit each other."""
    if box.deep.library_path:
        return "unset LD_LIBRARY_PATH", False
    return "tailfin setup --replace-torch", False


def _missing_library(box: Box, found: re.Match[str], _text: str) -> Fix:
    name = found[1].rpartition("/")[2]
    if "bitsandbytes" in _text and re.match(r"lib(?:cu|nv|nccl)", name):
        return f"{box.stack.python} -m pip install --upgrade bitsandbytes", False
    if re.match(r"lib(?:cud|cu[bfrs]|cup|nvrtc|nvJit|nvToolsExt|nccl|torch|c10)", name):
        return "tailfin setup --replace-torch", False
    packages = {"libgomp.so": "libgomp1", "libGL.so": "libgl1", "libnuma.so": "libnuma1"}
    package = next((packages[key] for key in packages if name.startswith(key)), "")
    if package and "apt" in box.platform.installer:
        return box.platform.install(package), True
    return f"Install the system package that holds {name}.", False


def _no_libcuda(box: Box, _found: re.Match[str], _text: str) -> Fix:
    if box.platform.is_container:
        fix = "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility ..."
        return f"Start the container with the driver's libraries: {fix}", False
    return f"{as_root(box.platform, 'ldconfig')}", True


def compiler(box: Box, _found: re.Match[str] | None = None, _text: str = "") -> Fix:
    """A C compiler and Python's headers, by the names of this box's distribution."""
    how, version = box.platform.installer, f"{box.stack.version[0]}.{box.stack.version[1]}"
    if "apk" in how:
        return box.platform.install("build-base", "python3-dev"), True
    if "pacman" in how:
        return box.platform.install("base-devel"), True
    if "dnf" in how or "yum" in how or "zypper" in how:
        return box.platform.install("gcc", f"python{version}-devel"), True
    return box.platform.install("build-essential", f"python{version}-dev"), True


def _link_libcuda(box: Box, _found: re.Match[str], text: str) -> Fix:
    """Triton takes the folder of libcuda.so.1 by name, where the link libcuda.so is missing."""
    place = re.search(r"(/\S*?)/libcuda\.so\.1", text)
    known = box.gpu.library.path.rpartition("/")[0] if box.gpu.library.path else ""
    folder = place[1] if place else known
    if folder:
        return f"export TRITON_LIBCUDA_PATH={folder}", True
    return as_root(box.platform, "ldconfig"), True


def _noexec(_box: Box, found: re.Match[str], _text: str) -> Fix:
    file = found[1] if found.lastindex else ""
    spoiled = "TMPDIR=/var/tmp" if file.startswith("/tmp") else "TMPDIR=$HOME/tmp"
    return f"export {spoiled} TRITON_CACHE_DIR=$HOME/.triton/cache", False


_NO_P2P: Fix = ("export NCCL_P2P_DISABLE=1 NCCL_IB_DISABLE=1", True)

_FAULTS = (
    _Fault(
        "flash-attn-abi",
        r"flash_attn\S*\.so: undefined symbol|undefined symbol:? .*flash_attn",
        "the flash-attn package was built for another torch.",
        "Compiled packages fit one torch release, one CUDA and one C++ ABI. Training with "
        "flash_attention_2 ends at once; torch's own attention (sdpa) is as good without it.",
        _sentence("Train with: --set model.attention=sdpa"),
        "warn",
    ),
    _Fault(
        "flash-attn-glibc",
        r"GLIBC_2\.\d+' not found.*flash_attn|flash_attn.*GLIBC_2\.\d+' not found",
        "the flash-attn package needs a newer C library than this image has.",
        "Its ready-made builds want glibc 2.32 or newer (flash-attention#1708). Torch's own "
        "attention (sdpa) does not need the package.",
        _sentence("Train with: --set model.attention=sdpa"),
        "warn",
    ),
    _Fault(
        "libstdcxx",
        r"version [`'\"]?(GLIBCXX_[\d.]+|CXXABI_[\d.]+)'? not found",
        "the C++ library that is loaded is too old ({1} is missing).",
        "conda or LD_LIBRARY_PATH put an old libstdc++ before the right one; torch and every "
        "compiled package fail to load with it (textgen#4405).",
        _libstdcxx,
    ),
    _Fault(
        "glibc",
        r"version [`'\"]?(GLIBC_[\d.]+)'? not found",
        "the C library of this image is too old ({1} is missing).",
        "A compiled package was built for a newer Linux; the C library cannot be replaced in a "
        "running image.",
        _sentence("Use a newer image (Ubuntu 22.04 or later)."),
    ),
    _Fault(
        "mixed-cuda",
        r"undefined symbol: (?:__nvJitLink\w+|cu\w+|nccl\w+)|version libnvJitLink\S* not defined",
        "CUDA libraries of different releases were loaded together.",
        "torch brings its own CUDA libraries; LD_LIBRARY_PATH or leftovers of another release come "
        "before them, and torch does not load (pytorch#111469).",
        _library_path,
    ),
    _Fault(
        "wrong-build",
        r"(\S+\.so\S*): undefined symbol",
        "{1} was built for another torch.",
        "Compiled packages fit one torch release only; this one has to be installed again beside "
        "the torch that is here.",
        _replace_torch,
    ),
    _Fault(
        "no-libcuda",
        r"libcuda\.so(?:\.1)?: cannot open shared object",
        "the driver's library libcuda.so.1 is not on this box.",
        "Without it nothing can compute on the GPU, though nvidia-smi may work: the container was "
        "given the card but not the driver's compute libraries.",
        _no_libcuda,
        "fail",
    ),
    _Fault(
        "missing-library",
        r"(?:OSError|ImportError|dependency)?:? ?(\S*lib\S+?\.so[\d.]*): cannot open shared object",
        "{1} is missing.",
        "A compiled library asks for another one that is not installed, or is of another CUDA "
        "major release than torch's own.",
        _missing_library,
    ),
    _Fault(
        "no-compiler",
        r"Failed to find C compiler|No such file or directory: '(?:/\S*/)?(?:gcc|cc|clang)'|"
        r"(?:gcc|cc): (?:command )?not found|Please specify via CC environment variable",
        "there is no C compiler.",
        "Triton compiles a small program for each kernel; fused losses, torch.compile and some "
        "optimizers stop with this error at their first step.",
        compiler,
    ),
    _Fault(
        "no-headers",
        r"Python\.h: No such file",
        "the header files of this Python are missing (Python.h).",
        "Triton compiles a small program for each kernel against them; fused losses, torch.compile "
        "and some optimizers stop with this error at their first step.",
        compiler,
    ),
    _Fault(
        "no-libcuda-link",
        r"cannot find -lcuda|libcuda\.so cannot found|lib[cd]uda\.so not found",
        "the linker does not find libcuda.so.",
        "Triton links every kernel's launcher with the driver's library; its folder is not known "
        "to the linker here.",
        _link_libcuda,
    ),
    _Fault(
        "triton-too-old",
        r"Value '(sm_\w+)' is not defined for option 'gpu-name'",
        "this Triton has no code for this card ({1}).",
        "Its assembler is older than the card; Triton belongs to torch and comes with a newer one.",
        _replace_torch,
    ),
    _Fault(
        "no-kernel",
        r"no kernel image is available|not compatible with the current PyTorch installation",
        "this torch has no code for this card.",
        "The build was made without the card's generation: every operation on it fails.",
        _kernel_image,
        "fail",
    ),
    _Fault(
        "driver-too-old",
        r"driver on your system is too old|driver version is insufficient",
        "the driver is too old for this torch.",
        "torch sees no GPU with it: training falls back to the CPU or ends at once.",
        _cuda_of_driver,
        "fail",
    ),
    _Fault(
        "bitsandbytes-library",
        r"No compatible \w+ binary found at|CUDA Setup failed|VERSION MISMATCH|"
        r"Configured \w+ binary not found|Missing dependency: (\S+)",
        "bitsandbytes has no library for this torch's CUDA.",
        "4-bit weights and 8-bit optimizers do not load; bitsandbytes never falls back to another "
        "CUDA major release.",
        _pip("--upgrade", "bitsandbytes"),
    ),
    _Fault(
        "numpy",
        r"compiled using NumPy 1\.x cannot|_ARRAY_API not found|numpy\.dtype size changed",
        "a package here was built for NumPy 1 and NumPy 2 is installed.",
        "Arrays cannot be handed between them; loading data or the model fails.",
        _pip('"numpy<2"'),
    ),
    _Fault(
        "no-shm",
        r"Error while creating shared memory segment|unable to mmap .* shared memory|"
        r"insufficient shared memory|/dev/shm\S*.*No space left",
        "/dev/shm is too small.",
        "NCCL and data loading hand memory between processes there; a container has 64 MB unless "
        "it was started with more.",
        lambda _box, _found, _text: ("export NCCL_SHM_DISABLE=1", True),
    ),
    _Fault(
        "disk-full",
        r"No space left on device|Disk quota exceeded",
        "the disk is full.",
        "Checkpoints and caches cannot be written.",
        _sentence("Free some room, or set HF_HOME and TMPDIR to a volume with more."),
        "fail",
    ),
    _Fault(
        "noexec",
        r"(/\S+): failed to map segment from shared object",
        "programs may not run from the folder for temporary files (noexec).",
        "What Triton compiles is loaded from there.",
        _noexec,
    ),
    _Fault(
        "nccl",
        r"ncclSystemError|ncclUnhandledCudaError|ncclRemoteError|unhandled (?:system|cuda) error|"
        r"Watchdog caught collective operation timeout|NCCL error",
        "NCCL, which joins the GPUs, gave up.",
        "Training on several GPUs exchanges gradients at every step and would stop at its first.",
        lambda _box, _found, _text: _NO_P2P,
    ),
    _Fault(
        "gpu-memory",
        r"CUDA out of memory|CUDA error: out of memory|CUDA_ERROR_OUT_OF_MEMORY",
        "the GPU's memory is taken.",
        "The probes need less than 1 GiB: somebody else holds nearly all of it.",
        _sentence(
            "End your other processes (nvidia-smi lists them); if none is yours, change host."
        ),
    ),
)
