"""The Python that trains, and the packages it has."""

from __future__ import annotations

import glob
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from engine import __version__
from engine.doctor import packages, toolchain
from engine.doctor.facts import Box, StackFacts
from engine.doctor.host import Host, Python, own_python
from engine.doctor.software import read_software
from engine.findings import Finding
from engine.setup.conflicts import conflicts
from engine.setup.installed import installed, lower_bound, older, required_name
from engine.setup.interpreter import MIN_PYTHON
from engine.setup.requirements import requirements
from engine.setup.torch_build import find_torch

# Those that refuse to work, or work wrongly, beside other versions of what they ask for.
_PARTNERS = ("transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes")
# What only the data report imports, which runs where the command does: training starts without.
_REPORT_ONLY = ("orjson", "rensa", "ftfy", "py3langid")
# As the README installs it.
_WHEEL = f"tailfin-{__version__}-py3-none-any.whl"
_ASK = "import json, sys; print(json.dumps([sys.path, list(sys.version_info[:3])]))"


def read_stack(host: Host) -> StackFacts:
    """Packages and torch of the worker's Python: TAILFIN_PYTHON where set, else this one."""
    there = host.python or ask_python(host.env.get("TAILFIN_PYTHON") or sys.executable)
    paths = [str(host.at(path)) for path in there.paths]
    found, build = installed(paths), find_torch(paths)
    needed = requirements("", installed()) + requirements("train", installed())
    bounds = {required_name(line): lower_bound(line) for line in needed}
    bounds = {name: bound for name, bound in bounds.items() if name not in _REPORT_ONLY}
    if not there.is_own:  # the screens run here, not there
        bounds = {name: bound for name, bound in bounds.items() if name not in ("textual", "rich")}
    return StackFacts(
        python=there.executable,
        version=there.version,
        installed={name: dist.version for name, dist in found.items() if name in bounds},
        minimum={name: bound for name, bound in bounds.items() if name != "torch"},
        torch=replace(build, folder=Path(host.shown(build.folder))) if build else None,
        bitsandbytes_cuda=_bitsandbytes_libraries(paths),
        bitsandbytes_override=host.env.get("BNB_CUDA_VERSION", ""),
        is_own=there.is_own,
        software=read_software(host, there, found),
        conflicts=tuple(conflicts(found, _PARTNERS)),
    )


def check_python(box: Box) -> list[Finding]:
    """The interpreter's version."""
    stack = box.stack
    version = ".".join(map(str, stack.version))
    if not stack.runs:
        message = "The Python named by TAILFIN_PYTHON does not run."
        fix = "unset TAILFIN_PYTHON"
        why = "Training is started with it; set it to an interpreter that has torch, or to none."
        return [Finding("python.broken", "fail", message, fix, stack.python, why, safe=True)]
    if stack.version[:2] < MIN_PYTHON:
        least = ".".join(map(str, MIN_PYTHON))
        message = f"Python {version} is older than {least}, which transformers and TRL need."
        why = "What trains a model today cannot be installed into this Python at all."
        return [Finding("python.too-old", "fail", message, newer_python(box), stack.python, why)]
    return [Finding("python", "ok", f"Python {version}.", where=stack.python)]


def newer_python(box: Box) -> str:
    """The command that makes an environment of a newer Python: one that is here, or a new one."""
    least = "python" + ".".join(map(str, MIN_PYTHON))
    found = box.stack.software.other_python
    if found:
        return f"{found} -m venv ~/tailfin && ~/tailfin/bin/pip install {_WHEEL}"
    if "/conda" in box.stack.python or "/miniconda" in box.stack.python:
        return (
            f"conda create -y -p ~/tailfin python={least[6:]} && ~/tailfin/bin/pip install {_WHEEL}"
        )
    install = box.platform.install(least, f"{least}-venv")
    return f"{install} && {least} -m venv ~/tailfin && ~/tailfin/bin/pip install {_WHEEL}"


def check_packages(box: Box) -> list[Finding]:
    """The training stack: what is missing or older than the oldest that works."""
    stack = box.stack
    if not stack.can_train:
        return []
    if not stack.minimum:
        message = "What tailfin needs could not be listed, because tailfin is not installed here."
        return [
            Finding("stack.unknown", "info", message, "Use the Python tailfin is installed in.")
        ]
    missing = [name for name in stack.minimum if name not in stack.installed]
    stale = [
        (name, f"{name} {stack.installed[name]} (needs {least})")
        for name, least in stack.minimum.items()
        if name in stack.installed and least and older(stack.installed[name], least)
    ]
    findings = []
    if missing:
        message = f"Not installed in the Python that trains: {', '.join(missing)}."
        fix = install_command(box, *missing)
        why = "Training starts by importing them."
        findings.append(Finding("stack.missing", "fail", message, fix, stack.python, why))
    if stale:
        message = f"Too old in the Python that trains: {', '.join(text for _, text in stale)}."
        fix = install_command(box, "--upgrade", *(name for name, _ in stale))
        why = "Older ones lack what training calls, or do it another way."
        findings.append(Finding("stack.too-old", "fail", message, fix, stack.python, why))
    if not findings:
        shown = ("transformers", "trl", "peft", "accelerate", "datasets")
        have = ", ".join(f"{n} {stack.installed[n]}" for n in shown if n in stack.installed)
        findings.append(Finding("stack", "ok", f"The training stack is complete: {have}."))
    return findings


def install_command(box: Box, *names: str) -> str:
    """What brings packages into the Python that trains, also where the system forbids pip."""
    stack = box.stack
    if stack.software.externally_managed:
        return (
            f"{stack.python} -m venv --system-site-packages ~/tailfin && "
            f"~/tailfin/bin/pip install {_WHEEL} && ~/tailfin/bin/tailfin setup"
        )
    return stack.setup_command(*names)


CHECKS = (check_python, check_packages, *packages.CHECKS, *toolchain.CHECKS)


def ask_python(python: str) -> Python:
    """Import path and version of an interpreter; version zero where it does not run."""
    if python == sys.executable:
        return own_python()
    try:
        done = subprocess.run(
            [python, "-c", _ASK],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=10,
        )
        paths, (major, minor, micro) = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return Python(python, (0, 0, 0), is_own=False)
    # The worker starts without the current folder on its path.
    found = tuple(str(path) for path in paths if path)
    return Python(python, (int(major), int(minor), int(micro)), found, is_own=False)


def _bitsandbytes_libraries(paths: list[str]) -> tuple[tuple[int, int], ...]:
    """CUDA releases bitsandbytes carries a library for; `libbitsandbytes_cuda128.so` is 12.8."""
    for path in paths:
        files = glob.glob(str(Path(path or ".", "bitsandbytes", "libbitsandbytes_cuda*.so")))
        digits = [re.search(r"cuda(\d{2,})", Path(file).name) for file in files]
        found = {(int(match[1][:-1]), int(match[1][-1])) for match in digits if match}
        if found:
            return tuple(sorted(found))
    return ()
