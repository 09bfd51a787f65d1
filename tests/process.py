"""Runs the real program in real processes, and waits for what it should become."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.bundled import bundled
from engine.runs.state import Observed, observe
from engine.runs.store import RunFolder

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "tui"]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A quiet environment: offline, one thread, this very checkout importable."""
    env = dict(os.environ) | {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
    }
    return env | dict(more or {})


def tailfin(
    *words: str, cwd: Path, env: Mapping[str, str] | None = None, timeout_s: float = 150
) -> subprocess.CompletedProcess[str]:
    """One command to its end; runs land in `cwd`/runs."""
    return subprocess.run(
        [*COMMAND, *words],
        cwd=cwd,
        env=environment({"TAILFIN_RUNS": str(cwd / "runs"), **(env or {})}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON object a `--json` command printed."""
    loaded = json.loads(done.stdout)
    assert isinstance(loaded, dict)
    return loaded


def train_words(settings: Mapping[str, object]) -> list[str]:
    """`train` on the bundled model and data, with settings by dotted path."""
    samples = bundled("samples")
    words = ["train", "--model", str(samples / "model"), "--data", str(samples / "good.jsonl")]
    words += ["--profile", "cpu-demo"]
    for path, value in settings.items():
        words += ["--set", f"{path}={value if isinstance(value, str) else json.dumps(value)}"]
    return words


def only_run(cwd: Path) -> RunFolder:
    folders = [path for path in (cwd / "runs").iterdir() if path.is_dir()]
    assert len(folders) == 1, folders
    return RunFolder(folders[0])


def start(
    cwd: Path, settings: Mapping[str, object], env: Mapping[str, str] | None = None
) -> RunFolder:
    """A detached training; returns its folder once it is alive."""
    done = tailfin(*train_words(settings), "--detach", "--json", cwd=cwd, env=env)
    assert done.returncode == 0, done.stderr + done.stdout
    return RunFolder(Path(answer(done)["data"]["path"]))


def wait_until(
    run: RunFolder, condition: Callable[[Observed], bool], timeout_s: float = 90
) -> Observed:
    """Poll the run until the condition holds; fails with its state and log when it never does."""
    deadline = time.monotonic() + timeout_s
    while True:
        observed = observe(run)
        if condition(observed):
            return observed
        if time.monotonic() > deadline:
            log = run.worker_log.read_text("utf-8", "replace") if run.worker_log.exists() else ""
            raise AssertionError(f"{observed.state} {observed.message}\n{log[-3000:]}")
        time.sleep(0.05)


def wait_for_step(run: RunFolder, step: int, timeout_s: float = 90) -> Observed:
    return wait_until(run, lambda o: o.status.step >= step, timeout_s)


def wait_for_end(run: RunFolder, timeout_s: float = 120) -> Observed:
    return wait_until(run, lambda o: o.state not in ("starting", "running"), timeout_s)
