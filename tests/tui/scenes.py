"""Runs in every state the monitor knows, from scripted events: no process, no disk, no clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.doctor.gauges import GpuReading, HostReading, Reading
from engine.errors import TailfinError
from engine.runs.events import (
    Body,
    Checkpointed,
    Evaluated,
    Exited,
    Failed,
    Finished,
    Notice,
    Plan,
    Progress,
    Stage,
    Step,
    Stopped,
)
from engine.runs.state import Observed, State
from engine.runs.status import fold_all
from engine.runs.store import RunFolder
from tests.runs.script import Script, started

START = 1_000_000.0
PLAN = Plan(
    max_steps=1000,
    num_rows=5000,
    num_eval_rows=200,
    max_length=1024,
    cut_share=0.013,
    epochs=3.0,
    micro_batch=4,
    accumulation=4,
    total_params=1_500_000_000,
    trained_params=18_000_000,
    device="cuda",
    dtype="bfloat16",
)
HOST = HostReading(0.62, 8.0, 21.4, 64.0, 310.0, 500.0, 9.8)
GPU = GpuReading(0, "NVIDIA GeForce RTX 4090", 0.98, 18.3, 23.6, 71.0, 402.0, 450.0)


RUN = RunFolder(Path("/runs/20261123-180000-support-bot"))


@dataclass
class FakeFeed:
    """Shows what a test puts into `shown`; an error is raised."""

    shown: Observed | TailfinError
    lines: list[str] = field(default_factory=list)
    run: RunFolder = RUN
    is_replay: bool = False
    looks: int = 0

    def look(self) -> Observed:
        self.looks += 1
        if isinstance(self.shown, TailfinError):
            raise self.shown
        return self.shown

    def log(self, lines: int) -> list[str]:
        return self.lines[-lines:]

    def moment(self, now: float) -> float:
        return now


class FakeGauges:
    """A box with one busy card."""

    def __init__(self, gpus: Sequence[GpuReading] = (GPU,), host: HostReading = HOST) -> None:
        self.reading = Reading(tuple(gpus), host)
        self.is_closed = False

    def read(self, worker_pid: int = 0) -> Reading:
        return self.reading

    def close(self) -> None:
        self.is_closed = True


def make_step(number: int, *, loss: float | None = None, elapsed_s: float | None = None) -> Step:
    """One of a thousand steps of two seconds each, some evaluations apart."""
    smooth = 0.45 + 2.1 * math.exp(-number / 120)
    return Step(
        step=number,
        epoch=number * 3 / 1000,
        loss=smooth + 0.06 * math.sin(number * 1.7) if loss is None else loss,
        grad_norm=0.8 + 0.3 * math.sin(number * 0.9),
        learning_rate=1e-4 * min(number / 30, (1000 - number) / 970),
        tokens=number * 8192,
        tokens_per_s=4096 + 90 * math.sin(number * 0.3),
        elapsed_s=number * 2.0 if elapsed_s is None else elapsed_s,
        accuracy=0.5 + 0.35 * (1 - math.exp(-number / 120)),
        entropy=0.4 + smooth / 3,
        vram_gib=18.31,
        vram_reserved_gib=19.62,
        ram_gib=9.8,
    )


def log_line(step: Step) -> str:
    return (
        f"step {step.step}/1000 loss {step.loss:.4f} grad {step.grad_norm:.3f} "
        f"lr {step.learning_rate:.3g} {step.tokens_per_s:.0f} tok/s"
    )


def training(until: int, *, first: int = 1, every: int = 50) -> list[Body]:
    """Steps with an evaluation and a checkpoint after every fiftieth."""
    bodies: list[Body] = []
    for number in range(first, until + 1):
        step = make_step(number)
        bodies.append(step)
        if number % every == 0:
            rise = 0.12 + max(0.0, (number - 300) / 4000)
            bodies.append(Evaluated(number, step.loss + rise, 0.8, 0.6, 12.0, number <= 300))
            path = f"checkpoints/checkpoint-{number}"
            bodies.append(Checkpointed(number, path, 145_000_000, "eval", 1.5))
    return bodies


def begun(*bodies: Body) -> Script:
    """A run whose plan is known, and what followed."""
    script = Script(START).add(started(), Stage("import"), Stage("load", "Qwen/Qwen3-1.7B"))
    return script.add(Stage("tokenise"), PLAN, Stage("train", "1000 steps"), *bodies)


def observed(script: Script, state: State, message: str = "") -> Observed:
    return Observed(state, message, fold_all(script.events), 4242)


def last_time(seen: Observed) -> float:
    return seen.status.last_time


def _lines(seen: Observed) -> list[str]:
    return [log_line(step) for step in seen.status.steps[-40:]]


def _preparing(*bodies: Body) -> Observed:
    return observed(Script(START).add(started(), *bodies), "starting")


def _nan() -> Observed:
    bad = [make_step(n, loss=math.nan) for n in range(121, 131)]
    say = "Loss is nan and grad norm nan at step 121."
    fix = "Stop, lower train.learning_rate, and use bfloat16 or float32 instead of float16."
    told = Notice("train.nan", "fail", say, fix)
    return observed(begun(*training(120), bad[0], told, *bad[1:]), "running")


def _notices() -> Observed:
    cut = Notice("data.cut", "warn", "12.4 % of rows lose text at 1024 tokens.", "Raise it.")
    about = Notice("data.max-length", "info", "Rows are cut at 1024 tokens (taken from the data).")
    return observed(begun(about, cut, *training(180)), "running")


def _resumed() -> Observed:
    script = begun(*training(260))
    script.add(started(attempt=2, from_step=250), Stage("import"), Stage("load"), PLAN)
    again = [make_step(n, elapsed_s=(n - 250) * 2.0) for n in range(251, 271)]
    return observed(script.add(Stage("train"), *again), "running")


def _out_of_memory() -> Observed:
    failed = Failed(
        "oom",
        "backward",
        "The card ran out of memory in the backward pass of step 41: 23.6 GiB are not enough.",
        "Halve the micro-batch and double accumulation: tailfin resume RUN --set x",
        step=40,
        exit_code=3,
    )
    return observed(begun(*training(40), failed), "failed", failed.message)


def _crashed() -> Observed:
    said = "The kernel killed the worker for want of memory (signal 9)."
    return observed(begun(*training(40), Exited(-9, "SIGKILL", 1, said)), "crashed", said)


def _finished() -> Observed:
    said = "Trained 1000 steps. Lowest held-out loss 0.5700; delivered step 300."
    return observed(begun(*training(1000), Finished(1000, "adapter", said)), "finished", said)


def _stopped() -> Observed:
    said = "A person asked it to stop."
    stopped = Stopped(200, said, "checkpoints/checkpoint-200")
    return observed(begun(*training(200), stopped), "stopped", said)


def _foreign(line: str) -> Callable[[], tuple[Observed, list[str]]]:
    def make() -> tuple[Observed, list[str]]:
        seen = observed(begun(*training(30)), "running")
        return seen, [
            *_lines(seen)[:-2],
            line,
            "\x1b[31mred\x1b[0m \x1b]0;title\x07 and a tab\there",
        ]

    return make


_GIB = 2**30
SCENES: dict[str, Callable[[], Observed | tuple[Observed, list[str]]]] = {
    "silent": lambda: Observed("starting", "", fold_all([]), 0),
    "importing": lambda: _preparing(Stage("import")),
    "downloading": lambda: _preparing(
        Stage("import"),
        Stage("download", "Qwen/Qwen3-1.7B"),
        Progress("download", 1.2 * _GIB, 3.4 * _GIB, "bytes", 42e6, 55.4),
    ),
    "loading": lambda: _preparing(
        Stage("import"),
        Stage("load", "Qwen/Qwen3-1.7B"),
        Progress("load", 2.1 * _GIB, 3.4 * _GIB, "bytes", 9e8, 1.5),
    ),
    "tokenising": lambda: _preparing(
        Stage("import"),
        Stage("load", "Qwen/Qwen3-1.7B"),
        Stage("tokenise", "data.jsonl"),
        Progress("tokenise", 12_000, 50_000, "rows", 4100, 9.3),
    ),
    "before": lambda: observed(
        begun(Progress("eval", 3, 25, "batches", 1.4, 15.7)),
        "running",
    ),
    "first": lambda: observed(begun(make_step(1)), "running"),
    "running": lambda: observed(begun(*training(312)), "running"),
    "evaluating": lambda: observed(
        begun(*training(349), make_step(350), Progress("eval", 12, 50, "batches", 3.1, 12.2)),
        "running",
    ),
    "saving": lambda: observed(begun(*training(1000), Stage("save")), "running"),
    "nan": _nan,
    "notices": _notices,
    "resumed": _resumed,
    "out-of-memory": _out_of_memory,
    "crashed": _crashed,
    "finished": _finished,
    "stopped": _stopped,
    "elsewhere": lambda: observed(begun(*training(80)), "elsewhere", "It ran on box, this is b."),
    "foreign": _foreign(
        "数据集读取完成 共 5000 条记录 开始训练 批大小 4 学习率 1e-4 长度上限 1024 个词元"
    ),
}


def scene(name: str) -> FakeFeed:
    """A feed that shows this state."""
    made = SCENES[name]()
    seen, lines = made if isinstance(made, tuple) else (made, _lines(made))
    return FakeFeed(seen, lines)
