"""What `tailfin doctor` takes, beside the reports of the tools people run today.

Everything is a process of its own with the network off (HF_HUB_OFFLINE=1), and the programs take
turns. Only the first three rows are measured inside a process: the readers, NVML, all checks.

    python -m tests.benchmarks.bench_doctor [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from engine import __version__
from engine.setup.installed import installed

ROOT = Path(__file__).resolve().parents[2]
LIMIT_READERS_S = 0.2
LIMIT_DOCTOR_S = 1.0
_INSIDE = """
import json, time
began = time.perf_counter()
from engine.doctor.box import gather
from engine.doctor.checks import examine
from engine.doctor.gpu import ask_driver, read_gpus
from engine.doctor.host import this_host
from engine.doctor.hub import read_hub
from engine.doctor.limits import read_limits
from engine.doctor.platform import read_platform
from engine.doctor.stack import read_stack
from engine.doctor.storage import read_storage
from engine.doctor.terminal import read_terminal
imported = time.perf_counter()
host = this_host()
gpus = read_gpus(host)
for read in (read_hub, read_stack, read_limits, read_storage, read_terminal, read_platform):
    read(host)
read_all = time.perf_counter()
ask_driver(gpus, host)
asked = time.perf_counter()
box = gather(host)
gathered = time.perf_counter()
examine(box)
done = time.perf_counter()
print(json.dumps({"imports": imported - began, "readers (T0)": read_all - imported,
                  "NVML (T1)": asked - read_all, "checks": done - gathered}))
"""
_SCRIPTS = Path(sys.executable).parent
PROGRAMS = {
    "tailfin doctor": [sys.executable, "-m", "tui", "doctor"],
    "accelerate env": [str(_SCRIPTS / "accelerate"), "env"],
    "transformers env": [str(_SCRIPTS / "transformers"), "env"],
    "python -m bitsandbytes": [sys.executable, "-m", "bitsandbytes"],
}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(argv).rounds
    inside: dict[str, list[float]] = {}
    whole: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for turn in range(rounds + 1):  # the first fills the page cache
        for name, command in PROGRAMS.items():
            taken_s = _seconds(command)
            if turn:
                whole[name].append(taken_s)
        told = json.loads(_run([sys.executable, "-c", _INSIDE]).stdout)
        for name, seconds in told.items() if turn else ():
            inside.setdefault(name, []).append(seconds)
    have = installed()
    shown = ("torch", "transformers", "accelerate", "bitsandbytes", "nvidia-ml-py")
    versions = ", ".join(f"{name} {have[name].version}" for name in shown if name in have)
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, tailfin {__version__}, Python {platform.python_version()}"
    )
    print(f"{versions}; {os.cpu_count()} processors, {platform.machine()}, {_gpu()}")
    print(f"median of {rounds}, network off\n")
    for name, times in inside.items():
        limit = f"   at most {LIMIT_READERS_S * 1000:.0f} ms" if "T0" in name else ""
        print(f"  {name:<24} {median(times) * 1000:8.1f} ms{limit}")
    ours = median(whole["tailfin doctor"])
    print()
    for name, times in whole.items():
        ratio = f"   {median(times) / ours:5.1f} x" if name != "tailfin doctor" else ""
        print(f"  {name:<24} {median(times):8.2f} s{ratio}")
    print(f"\nlimit of the doctor: {LIMIT_DOCTOR_S:g} s")
    return 0


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    _run(command)
    return time.perf_counter() - began


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, check=False, env=env, cwd=ROOT, capture_output=True, text=True, timeout=300
    )


def _gpu() -> str:
    from engine.doctor.gpu import ask_driver, read_gpus
    from engine.doctor.host import this_host

    host = this_host()
    cards = ask_driver(read_gpus(host), host).gpus
    return ", ".join(card.name for card in cards) or "no GPU"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
