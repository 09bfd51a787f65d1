"""The Python that trains, and the packages it has."""

from __future__ import annotations

import glob
import json
import re
import subprocess
import sys
from pathlib import Path

from engine.doctor.facts import Box, StackFacts
from engine.doctor.host import Host, Python, own_python
from engine.findings import Finding
from engine.setup.installed import installed, lower_bound, older, required_name
from engine.setup.interpreter import MIN_PYTHON
from engine.setup.requirements import requirements
from engine.setup.torch_build import find_torch

_ASK = "import json, sys; print(json.dumps([sys.path, list(sys.version_info[:3])]))"


def read_stack(host: Host) -> StackFacts:
    """Packages and torch of the worker's Python: TAILFIN_PYTHON where set, else this one."""
    there = host.python or ask_python(host.env.get("TAILFIN_PYTHON") or sys.executable)
    paths = [str(host.at(path)) for path in there.paths]
    found = installed(paths)
    needed = requirements("", installed()) + requirements("train", installed())
    bounds = {required_name(line): lower_bound(line) for line in needed}
    if not there.is_own:  # the screens run here, not there
        bounds = {name: bound for name, bound in bounds.items() if name not in ("textual", "rich")}
    return StackFacts(
        python=there.executable,
        version=there.version,
        installed={name: dist.version for name, dist in found.items() if name in bounds},
        minimum={name: bound for name, bound in bounds.items() if name != "torch"},
        torch=find_torch(paths),
        bitsandbytes_cuda=_bitsandbytes_libraries(paths),
        bitsandbytes_override=host.env.get("BNB_CUDA_VERSION", ""),
        is_own=there.is_own,
    )


def check_python(box: Box) -> list[Finding]:
    """The interpreter's version."""
    stack = box.stack
    version = ".".join(map(str, stack.version))
    if not stack.runs:
        message = "The Python named by TAILFIN_PYTHON does not run."
        fix = "Set TAILFIN_PYTHON to an interpreter that has torch, or unset it."
        return [Finding("python.broken", "fail", message, fix, stack.python)]
    if stack.version[:2] < MIN_PYTHON:
        least = ".".join(map(str, MIN_PYTHON))
        message = f"Python {version} is older than {least}, which transformers and TRL need."
        fix = f"Install Python {least} or newer and set tailfin up with it."
        return [Finding("python.too-old", "fail", message, fix, stack.python)]
    return [Finding("python", "ok", f"Python {version}.", where=stack.python)]


def check_packages(box: Box) -> list[Finding]:
    """The training stack: what is missing or older than the oldest that works."""
    stack = box.stack
    if not stack.runs:
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
        fix = stack.setup_command(*missing)
        findings.append(Finding("stack.missing", "fail", message, fix, stack.python))
    if stale:
        message = f"Too old in the Python that trains: {', '.join(text for _, text in stale)}."
        fix = stack.setup_command("--upgrade", *(name for name, _ in stale))
        findings.append(Finding("stack.too-old", "fail", message, fix, stack.python))
    if not findings:
        shown = ("transformers", "trl", "peft", "accelerate", "datasets")
        have = ", ".join(f"{n} {stack.installed[n]}" for n in shown if n in stack.installed)
        findings.append(Finding("stack", "ok", f"The training stack is complete: {have}."))
    return findings


CHECKS = (check_python, check_packages)


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
