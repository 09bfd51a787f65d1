"""The supervisor of one attempt: starts the worker, waits, and records how it ended.

Standard library only. It runs in a session of its own, without a terminal, so neither a closed
laptop nor a killed screen reaches it. SIGTERM means checkpoint and stop: it is passed to the
worker. It writes an event only when the worker is gone and left no word of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from engine.runs.events import Exited
from engine.runs.journal import Journal
from engine.runs.lock import Held, Lock, holder
from engine.runs.reader import read_all
from engine.runs.status import fold_all
from engine.runs.store import RunFolder


def main(argv: list[str]) -> int:
    """`python -m engine.supervise RUN_FOLDER COMMAND...`: run the command as this run's worker."""
    run, command = RunFolder(Path(argv[0])), argv[1:]
    try:
        lock = Lock(run.supervisor_lock)
    except Held as held:
        print(f"another supervisor (process {held.pid}) has this run", flush=True)
        return 1
    kills_before = _oom_kills()
    with open(run.worker_log, "ab", buffering=0) as log:
        worker = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=run.path
        )

    def pass_on(number: int, _frame: FrameType | None) -> None:
        worker.send_signal(signal.SIGTERM if number == signal.SIGINT else number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, pass_on)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    code = worker.wait()
    _record(run, code, _oom_kills() - kills_before)
    lock.release()
    return code if code >= 0 else 128 - code


def _record(run: RunFolder, code: int, oom_kills: int) -> None:
    """Write `exited` unless the worker said how it ended, or another worker has the run."""
    if holder(run.worker_lock) is not None:
        return
    if fold_all(read_all(run.events)).ending:
        return
    name = signal.Signals(-code).name if code < 0 else ""
    journal = Journal(run.events)
    journal.write(
        Exited(exit_code=code, signal=name, oom_kills=oom_kills, message=_say(code, oom_kills))
    )
    journal.close()


def _say(code: int, oom_kills: int) -> str:
    if oom_kills > 0:
        return "The kernel killed the worker: the box's memory limit (cgroup) was reached."
    if code == -signal.SIGKILL:
        return "The worker was killed (SIGKILL), by a person or by the box's memory limit."
    if code == -signal.SIGBUS:
        return "The worker died of a bus error, as when /dev/shm or a mapped file's disk is full."
    if code < 0:
        return f"The worker died of {signal.Signals(-code).name}."
    return f"The worker ended with exit code {code} and said nothing."


def _oom_kills() -> int:
    """The cgroup's count of processes killed for memory; 0 where it cannot be read."""
    for path in _memory_event_files():
        try:
            for line in path.read_text(encoding="ascii").splitlines():
                key, _, value = line.partition(" ")
                if key == "oom_kill":
                    return int(value)
        except (OSError, ValueError):
            continue
    return 0


def _memory_event_files() -> list[Path]:
    files = []
    try:
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                files.append(Path(f"/sys/fs/cgroup{path}/memory.events"))
            elif "memory" in controllers.split(","):
                files.append(Path(f"/sys/fs/cgroup/memory{path}/memory.oom_control"))
    except (OSError, ValueError):
        pass
    return [
        *files,
        Path("/sys/fs/cgroup/memory.events"),
        Path("/sys/fs/cgroup/memory/memory.oom_control"),
    ]


if __name__ == "__main__":
    # A failing exec of the worker is an event too, not a silent supervisor.
    os.umask(0o022)
    sys.exit(main(sys.argv[1:]))
