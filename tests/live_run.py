"""A live run without training: a process that holds the lock and logs steps as a worker does.

    python -m tests.live_run FOLDER [--steps-per-s 1] [--max-steps 1000] [--steps-before 0]

It writes one event and one log line per step, an evaluation every 50, obeys requests in control/
and ends on a signal: SIGTERM stops it, SIGUSR1 lets it finish.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from engine.bundled import bundled
from engine.runs.acts import Act, pending
from engine.runs.events import Acted, Body, Evaluated, Finished, Plan, Stage, Started, Step, Stopped
from engine.runs.host import boot_id, host_name
from engine.runs.journal import Journal
from engine.runs.lock import Lock, holder
from engine.runs.store import RunFolder
from tests.process import ROOT, environment

_ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
_ACTS_EVERY_S = 0.2
_EVAL_EVERY = 50


class LiveRun:
    """A run folder with a live process in it; the run's id is the folder's name.

    `steps_before` steps lie in the log at once, as if it had been at work for a while. Use it as a
    context manager, or call `stop`, `finish` or `die`: the process is not left behind.
    """

    def __init__(
        self,
        folder: Path,
        *,
        steps_per_s: float = 1.0,
        max_steps: int = 1000,
        steps_before: int = 0,
    ) -> None:
        self.run = RunFolder(folder)
        self._words = [f"--steps-per-s={steps_per_s}", f"--max-steps={max_steps}"]
        self._words += [f"--steps-before={steps_before}"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LiveRun:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.die()

    @property
    def pid(self) -> int:
        assert self._process is not None, "start it first"
        return self._process.pid

    def start(self) -> LiveRun:
        """Start the process; returns once it holds the lock and has logged its history."""
        prepare_folder(self.run)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.live_run", str(self.run.path), *self._words],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        with self._process.stdout as said:
            if said.readline() != b"live\n":
                raise AssertionError(f"the live run ended with code {self._process.wait()}")
        assert holder(self.run.worker_lock) == self.pid
        return self

    def stop(self) -> int:
        """End it as a person would: its last event is `stopped`. Returns the exit code."""
        return self._end(signal.SIGTERM)

    def finish(self) -> int:
        """Let it say that it is done: its last event is `finished`. Returns the exit code."""
        return self._end(signal.SIGUSR1)

    def die(self) -> int:
        """Kill it in mid-work, without a last event: the run is then crashed."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)  # does nothing to a process that has ended
        return self._process.wait(10)


def prepare_folder(run: RunFolder) -> None:
    """The folder as `tailfin train` makes it: the spec of the recorded run and control/."""
    run.control.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bundled("samples") / "run" / "spec.toml", run.spec)


def make_step(number: int, *, elapsed_s: float, max_steps: int = 1000) -> Step:
    """One logged step of a training that goes well, with some noise, always the same."""
    loss = 0.4 + 2.2 * math.exp(-8 * number / max_steps) + 0.05 * math.sin(number * 1.7)
    return Step(
        step=number,
        epoch=round(number * 3 / max_steps, 4),
        loss=loss,
        grad_norm=1.0 + 0.4 * math.sin(number * 0.9),
        learning_rate=1e-4 * (1 - number / (max_steps + 1)),
        tokens=number * 8192,
        tokens_per_s=8000 + 200 * math.sin(number * 0.3),
        elapsed_s=round(elapsed_s, 3),
        accuracy=1 - loss / 5,
        entropy=loss,
        vram_gib=11.5,
        vram_reserved_gib=12.25,
        ram_gib=4.5,
    )


def make_plan(max_steps: int) -> Plan:
    return Plan(
        max_steps=max_steps,
        num_rows=max_steps * 5,
        num_eval_rows=200,
        max_length=1024,
        cut_share=0.01,
        epochs=3.0,
        micro_batch=4,
        accumulation=4,
        total_params=1_500_000_000,
        trained_params=18_000_000,
        tokens_per_epoch=max_steps * 2700,
        trained_tokens_per_epoch=max_steps * 1100,
        device="cuda",
        dtype="bfloat16",
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps-per-s", type=float, default=1.0)
    parser.add_argument("--max-steps", type=int, default=1000)
    parser.add_argument("--steps-before", type=int, default=0)
    args = parser.parse_args(argv)
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    run = RunFolder(args.folder)
    if not run.spec.exists():
        prepare_folder(run)
    lock = Lock(run.worker_lock)
    worker = _Worker(run, args.max_steps)
    worker.begin()
    for _ in range(args.steps_before):
        worker.step(args.steps_before / args.steps_per_s)
    print("live", flush=True)
    last = worker.work(args.steps_per_s)
    worker.write(last)
    lock.release()
    return 0


class _Worker:
    def __init__(self, run: RunFolder, max_steps: int) -> None:
        self._run = run
        self._journal = Journal(run.events)
        self._log = open(run.worker_log, "a", encoding="utf-8", buffering=1)  # noqa: SIM115
        self._max_steps = max_steps
        self._steps = 0

    def write(self, body: Body) -> None:
        self._journal.write(body)

    def begin(self) -> None:
        host = host_name()
        self.write(Started(1, "train", host, boot_id(), os.getpid(), 0, None, {"torch": "none"}))
        for stage in ("import", "load", "tokenise"):
            self.write(Stage(stage))
        self.write(make_plan(self._max_steps))
        self.write(Stage("train", f"{self._max_steps} steps"))

    def step(self, elapsed_s: float) -> None:
        self._steps += 1
        step = make_step(self._steps, elapsed_s=elapsed_s, max_steps=self._max_steps)
        self.write(step)
        self._log.write(
            f"step {step.step}/{self._max_steps} loss {step.loss:.4f} grad {step.grad_norm:.3f} "
            f"lr {step.learning_rate:.3g} {step.tokens_per_s:.0f} tok/s\n"
        )
        if self._steps % _EVAL_EVERY == 0:
            self.write(Evaluated(step=self._steps, loss=step.loss + 0.1, best=True))

    def work(self, steps_per_s: float) -> Finished | Stopped:
        """Step at the given pace until a signal, a request or the last step ends it."""
        began, before = time.monotonic(), self._steps
        while self._steps < self._max_steps:
            due = began + (self._steps - before + 1) / steps_per_s
            while (left_s := due - time.monotonic()) > 0:
                caught = signal.sigtimedwait(_ENDINGS, min(left_s, _ACTS_EVERY_S))
                if caught is not None and caught.si_signo == signal.SIGUSR1:
                    return self._finished()
                asked = [self._answer(act) for act in pending(self._run)]
                if caught is not None or "stop" in asked:
                    return Stopped(step=self._steps, reason="It was asked to stop.")
            self.step(due - began + before / steps_per_s)
        return self._finished()

    def _answer(self, act: Act) -> str:
        act.path.unlink(missing_ok=True)
        said = "It is stopping." if act.name == "stop" else f"Saved at step {self._steps}."
        self.write(Acted(id=act.id, name=act.name, ok=True, message=said))
        return act.name

    def _finished(self) -> Finished:
        said = f"Trained {self._steps} steps."
        return Finished(step=self._steps, result="adapter", message=said)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
