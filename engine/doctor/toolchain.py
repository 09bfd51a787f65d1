"""What of the system the training stack needs: compiler, headers, C and C++ libraries, settings."""

from __future__ import annotations

import shlex

from engine.doctor.facts import Box
from engine.findings import Finding
from engine.setup.releases import MIN_GLIBC

# The package that brings a C compiler, and the one with a Python's header files, by installer.
_COMPILER = {"apt-get": "build-essential", "apk": "build-base", "pacman": "base-devel"}
# Recent wheels of the training stack are compiled with GCC 11, whose libstdc++ has GLIBCXX_3.4.29.
_CXX_NEEDED = 29


def check_glibc(box: Box) -> list[Finding]:
    """The C library, below which no wheel can be installed."""
    glibc = box.stack.software.glibc
    if glibc == (0, 0) or glibc >= MIN_GLIBC:
        return []
    message = (
        f"This system has glibc {glibc[0]}.{glibc[1]}; the wheels of torch and pyarrow need "
        f"{MIN_GLIBC[0]}.{MIN_GLIBC[1]}."
    )
    why = "pip finds no wheel of them for this system, and they do not load if copied here."
    fix = "Start the box from a newer image, such as Ubuntu 22.04."
    return [Finding("system.glibc", "fail", message, fix, box.platform.distribution, why)]


def check_compiler(box: Box) -> list[Finding]:
    """Triton compiles a small C module for each kernel: it needs a compiler and Python.h."""
    software, stack = box.stack.software, box.stack
    if not box.gpu.handed or not stack.can_train:
        return []
    missing = ["no C compiler"] if software.compiler == "" else []
    if software.has_header is False:
        missing.append(f"no Python.h ({software.header})")
    if not missing:
        return []
    why = (
        "Triton compiles a C module before its first kernel: torch.compile, Liger and other fused "
        "kernels end with an error without it."
    )
    message = f"There is {' and '.join(missing)} for Triton."
    fix = _install(box, software.compiler == "", software.has_header is False)
    return [Finding("system.compiler", "warn", message, fix, stack.python, why)]


def check_cxx_library(box: Box) -> list[Finding]:
    """A libstdc++ older than the system's that is found before it (text-generation-webui#4405)."""
    software, stack = box.stack.software, box.stack
    used, system = software.cxx, software.system_cxx
    if used is None or not used.newest or (system and used.folder == system.folder):
        return []
    if used.newest >= (system.newest if system and system.newest else _CXX_NEEDED):
        return []
    message = f"Programs load the libstdc++ of {used.folder} (up to GLIBCXX_3.4.{used.newest})"
    message += (
        f" before the system's (up to GLIBCXX_3.4.{system.newest})."
        if system and system.newest
        else f", older than GLIBCXX_3.4.{_CXX_NEEDED}."
    )
    why = "Compiled packages made for a newer one do not load: GLIBCXX_... not found."
    if software.cxx_is_set:
        fix = "unset LD_LIBRARY_PATH"
        return [Finding("system.libstdcxx", "warn", message, fix, used.folder, why, safe=True)]
    base = shlex.quote(used.folder.removesuffix("/lib"))
    fix = f"conda install -y -p {base} -c conda-forge libstdcxx-ng"
    return [Finding("system.libstdcxx", "warn", message, fix, stack.python, why)]


def check_accelerate_config(box: Box) -> list[Finding]:
    """Answers of `accelerate config`, left by other work."""
    file = box.stack.software.accelerate_config
    if not file:
        return []
    message = f"{file} holds settings that `accelerate launch` takes for every run."
    why = (
        "Number of processes, precision and sharding of another project apply silently to whatever "
        "is started with `accelerate launch`; tailfin's own runs are started without it."
    )
    fix = f"mv {shlex.quote(file)} {shlex.quote(file + '.unused')}"
    return [Finding("system.accelerate-config", "warn", message, fix, file, why)]


CHECKS = (check_glibc, check_compiler, check_cxx_library, check_accelerate_config)


def _install(box: Box, compiler: bool, header: bool) -> str:
    """The command for this box's package manager."""
    major, minor = box.stack.version[:2]
    words = box.platform.installer.split()
    tool = words[0] if words else "apt-get"
    packages = [_COMPILER.get(tool, "gcc")] if compiler else []
    if header:
        names = {
            "apt-get": f"python{major}.{minor}-dev",
            "apk": "python3-dev",
            "zypper": f"python{major}{minor}-devel",
            "pacman": "python",
        }
        packages.append(names.get(tool, f"python{major}.{minor}-devel"))
    return box.platform.install(*packages)
