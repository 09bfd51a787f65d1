"""Starts a worker that outlives whoever started it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from engine import supervise
from engine.errors import EXIT_INTERRUPTED, TailfinError
from engine.runs.lock import holder
from engine.runs.reader import Reader
from engine.runs.state import LIVE, observe
from engine.runs.store import RunFolder, name_of

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


def worker_python() -> str:
    """The interpreter that has torch: TAILFIN_PYTHON, else the one running now."""
    return os.environ.get("TAILFIN_PYTHON") or sys.executable


def worker_environment() -> dict[str, str]:
    """The worker's environment: quiet, unbuffered, and able to import this very engine."""
    env = dict(os.environ)
    env["PYTHONUNBUFFERED"] = "1"
    env.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if not {"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"} & env.keys():
        # Freed blocks of one size serve another: less reserved memory that nobody uses.
        env["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"
    if "site-packages" not in _PACKAGE_ROOT.parts:
        rest = env.get("PYTHONPATH")
        env["PYTHONPATH"] = f"{_PACKAGE_ROOT}{os.pathsep}{rest}" if rest else str(_PACKAGE_ROOT)
    return env


def worker_command(name: str, *words: str) -> list[str]:
    """The command line of a worker; -P keeps folders named like libraries from shadowing them."""
    return [worker_python(), "-P", "-m", "engine.worker", name, *words]


def launch(run: RunFolder, command: Sequence[str], *, timeout_s: float = 30.0) -> None:
    """Start a detached supervisor with this worker command; returns once its first event is there.

    Raises TailfinError when another worker or supervisor holds the run, or the start failed.
    """
    refuse_if_held(run)
    env = worker_environment()
    reader = Reader(run.events)
    while reader.read():
        pass
    try:
        with open(run.supervisor_log, "ab", buffering=0) as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "engine.supervise", str(run.path), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=run.path,
                env=env,
                start_new_session=True,
            )
    except OSError as error:
        raise TailfinError(
            f"The run folder {run.path} could not be used: {error.strerror}.",
            "Make it writable, or name another place with --runs DIR.",
            where=run.path,
            exit_code=1,
        ) from None
    deadline = time.monotonic() + timeout_s
    try:
        if _begins(process, reader, deadline):
            return
    except KeyboardInterrupt:
        # It lives already: an "interrupted" alone would leave a card burning money unseen.
        raise TailfinError(
            f"{run.id} was started and goes on without this terminal.",
            f"Follow it: tailfin attach {name_of(run)}   End it: tailfin stop {name_of(run)}",
            where=run.path,
            exit_code=EXIT_INTERRUPTED,
        ) from None
    if process.poll() == supervise.ANOTHER_HAS_IT:
        refuse_if_held(run, patience_s=0.0)
    raise TailfinError(
        f"The worker of {run.id} did not start.",
        f"Read {run.supervisor_log} and {run.worker_log}.",
        where=run.path,
        exit_code=1,
    )


def _begins(process: subprocess.Popen[bytes], reader: Reader, deadline: float) -> bool:
    """Wait for the first event; False when the supervisor ended without one."""
    while time.monotonic() < deadline:
        # Asked before reading: a worker that began and ended in between has left its events.
        gone = process.poll() is not None
        if gone and process.returncode == supervise.ANOTHER_HAS_IT:
            return False
        if reader.read():
            return True
        if gone:
            return False
        time.sleep(0.02)
    return process.poll() is None


def refuse_if_held(run: RunFolder, *, patience_s: float = 20.0) -> None:
    """Raise when a live process has this run: two workers would write over each other.

    A run that has said its last word is given time to let go: its processes still tidy up.
    """
    deadline = time.monotonic() + patience_s
    while True:
        holders = [holder(lock) for lock in (run.worker_lock, run.supervisor_lock)]
        pid = next((pid for pid in holders if pid is not None), None)
        if pid is None:
            return
        name = name_of(run)
        if observe(run).state in LIVE or time.monotonic() > deadline:
            raise TailfinError(
                f"The run {run.id} is already at work (process {pid}).",
                f"Follow it with: tailfin attach {name}, or end it with: tailfin stop {name}",
                where=run.path,
                exit_code=1,
            )
        time.sleep(0.05)
