"""The supervisor of one attempt: starts the worker, waits, and records how it ended.

Standard library only. It runs in a session of its own, without a terminal, so neither a closed
laptop nor a killed screen reaches it. SIGTERM means checkpoint and stop: it is passed to the
worker, and so are Ctrl-C and SIGUSR1, Slurm's warning before it takes the box away. It writes an
event only when the worker is gone and left no word of its own.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from engine.errors import TailfinError
from engine.runs.events import Exited, Stopped
from engine.runs.journal import Journal
from engine.runs.lock import Held, Lock, holder
from engine.runs.reader import read_all
from engine.runs.status import fold_all
from engine.runs.store import RunFolder

# What a shell says for a command it could not run.
EXIT_NOT_STARTED = 127
# The lock was taken: two people resumed at once, and this one came second.
ANOTHER_HAS_IT = 75
LISTENED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)


def main(argv: list[str]) -> int:
    """`python -m engine.supervise RUN_FOLDER COMMAND...`: run the command as this run's worker."""
    run, command = RunFolder(Path(argv[0])), argv[1:]
    try:
        lock = Lock(run.supervisor_lock)
    except Held as held:
        print(f"another supervisor (process {held.pid}) has this run", flush=True)
        return ANOTHER_HAS_IT
    except TailfinError as error:
        print(error, flush=True)
        return 1
    relay = _Relay()
    for number in LISTENED:
        # For SIGHUP a function that does nothing: the worker would inherit SIG_IGN.
        signal.signal(number, _stay if number == signal.SIGHUP else relay)
    kills_before = _oom_kills()
    try:
        with open(run.worker_log, "ab", buffering=0) as log:
            worker = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=run.path
            )
    except OSError as error:
        code, last = EXIT_NOT_STARTED, _not_started(command, error)
        print(last.message, flush=True)
        _record(run, last)
    else:
        relay.watch(worker)
        code = worker.wait()
        _record(run, _last_word(run, code, _oom_kills() - kills_before, asked=relay.passed_on))
    lock.release()
    return code if code >= 0 else 128 - code


def _stay(_number: int, _frame: FrameType | None) -> None:
    """A terminal that hangs up ends nothing."""


class _Relay:
    """A signal handler that asks the worker to stop; what comes before there is one waits."""

    def __init__(self) -> None:
        self.passed_on = False
        self._worker: subprocess.Popen[bytes] | None = None
        self._waits = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self._worker is None:
            self._waits = True
        else:
            self._pass_on(self._worker)

    def watch(self, worker: subprocess.Popen[bytes]) -> None:
        self._worker = worker
        if self._waits:
            self._pass_on(worker)

    def _pass_on(self, worker: subprocess.Popen[bytes]) -> None:
        self.passed_on = True
        worker.send_signal(signal.SIGTERM)


def _record(run: RunFolder, last: Exited | Stopped) -> None:
    """Write the last word unless the worker said how it ended, or another worker has the run.

    A folder that somebody removed is not made again for it.
    """
    if not run.worker_log.exists():
        return
    if holder(run.worker_lock) is not None or fold_all(read_all(run.events)).ending:
        return
    journal = Journal(run.events)
    journal.write(last)
    journal.close()


def _last_word(run: RunFolder, code: int, oom_kills: int, *, asked: bool) -> Exited | Stopped:
    if asked and code == -signal.SIGTERM:
        # It died of the signal itself: it had not come to where it listens.
        step = fold_all(read_all(run.events)).step
        return Stopped(step=step, reason="It was asked to stop before it could begin.")
    name = signal.Signals(-code).name if code < 0 else ""
    return Exited(exit_code=code, signal=name, oom_kills=oom_kills, message=_say(code, oom_kills))


def _not_started(command: list[str], error: OSError) -> Exited:
    return Exited(
        exit_code=EXIT_NOT_STARTED,
        signal="",
        oom_kills=0,
        message=f"The worker could not be started: {error.filename or command[0]}: "
        f"{error.strerror}.",
    )


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
    sys.exit(main(sys.argv[1:]))
