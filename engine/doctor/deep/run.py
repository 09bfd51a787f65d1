"""Runs the deep probes one after the other, each in a process group that is ended at its limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from engine.doctor.deep.judge import failed
from engine.doctor.deep.probes import PROBES, Probe
from engine.doctor.deep.recorded import recorded_deep
from engine.doctor.facts import Box, DeepFacts
from engine.doctor.host import Host, Ran
from engine.doctor.redact import SECRET_NAME

TOTAL_S = 480.0
# Enough for any traceback, too little to fill a report.
_KEPT = 20_000


def run_deep(
    host: Host, box: Box, progress: Callable[[str], None] = lambda _line: None
) -> DeepFacts:
    """Try everything that can be tried here; minutes on a box with GPUs.

    `progress` hears one line before each. A recorded box answers from its recording instead.
    """
    if host.is_recorded:
        return recorded_deep(host, tuple(probe.name for probe in PROBES))
    ran: dict[str, Ran] = {}
    skipped: dict[str, str] = {}
    bad: set[str] = set()
    began = time.monotonic()
    for probe in PROBES:
        left_s = TOTAL_S - (time.monotonic() - began)
        stopper = next((name for name in probe.after if name in bad), "")
        if stopper:
            skipped[probe.name] = f"{stopper} failed before it"
        elif reason := probe.why_not(box, ran):
            skipped[probe.name] = reason
        elif left_s < 1:
            skipped[probe.name] = f"the {TOTAL_S:g} s for all of them were used up"
        else:
            progress(f"{probe.title} (at most {min(probe.limit_s, left_s):.0f} s)")
            ran[probe.name] = run_probe(probe, host, box, ran, min(probe.limit_s, left_s))
            if failed(probe.name, ran[probe.name], box):
                bad.add(probe.name)
    return DeepFacts(ran, skipped, host.env.get("LD_LIBRARY_PATH", ""))


def run_probe(probe: Probe, host: Host, box: Box, ran: Mapping[str, Ran], limit_s: float) -> Ran:
    """Run one probe with the Python that trains; never raises for what happens in there."""
    python = box.stack.python if box.stack.runs else sys.executable
    command = [python, str(probe.file), *probe.arguments(host, box, ran)]
    try:
        folder = tempfile.mkdtemp(prefix="tailfin-doctor-")
    except OSError:
        folder = ""
    try:
        return run_limited(command, _environment(host, probe, folder), folder or "/", limit_s)
    finally:
        if folder:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)


def run_limited(command: list[str], env: Mapping[str, str], folder: str, limit_s: float) -> Ran:
    """Run a command in a session of its own; whatever it started is ended with it."""
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=dict(env),
            start_new_session=True,
        )
    except OSError as error:
        return Ran(127, "", f"{command[0]}: {error.strerror or error}")
    code: int | None
    try:
        out, err = process.communicate(timeout=limit_s)
        code = process.returncode
    except subprocess.TimeoutExpired:
        _end(process)
        code = None
        try:
            out, err = process.communicate(timeout=5)
        except subprocess.TimeoutExpired as late:  # stuck in the driver: not even SIGKILL ends it
            out, err = late.stdout or b"", late.stderr or b""
    finally:
        _end(process)
    return Ran(code, _text(out), _text(err), round(time.monotonic() - began, 2))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group, which outlives its first process."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _environment(host: Host, probe: Probe, folder: str) -> dict[str, str]:
    """This shell's, without secrets; caches go to a folder that is removed."""
    env = {name: value for name, value in host.env.items() if not SECRET_NAME.search(name)}
    # As the worker runs: a folder named torch beside the user hides nothing.
    env |= {"PYTHONSAFEPATH": "1", "PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1"}
    env |= {"PYTHONDONTWRITEBYTECODE": "1"}
    if probe.name != "download":
        env["HF_HUB_OFFLINE"] = "1"
    if folder:
        env |= {
            "TRITON_CACHE_DIR": f"{folder}/triton",
            "TORCHINDUCTOR_CACHE_DIR": f"{folder}/torch",
        }
    return env | dict(probe.env)


def _text(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return text if len(text) <= _KEPT else text[: _KEPT // 4] + "\n...\n" + text[-_KEPT * 3 // 4 :]
