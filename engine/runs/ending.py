"""How a run ended: what happened, what it is known by, what is kept and what can be done."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from engine.data.text import inert
from engine.errors import TailfinError
from engine.runs import actions as ways
from engine.runs.actions import Action
from engine.runs.checkpoints import Checkpoint, last_checkpoint
from engine.runs.gpu_faults import GpuFault, gpu_fault, is_device_assert
from engine.runs.memory_facts import MemoryFacts, Place, memory_place, read_memory_facts
from engine.runs.state import LIVE, Observed, log_tail
from engine.runs.store import RunFolder

if TYPE_CHECKING:
    from engine.memory.budget import Budget
    from engine.runs.full_disk import FullDisk

__all__ = ["Action", "Ending", "Kind", "MemoryFacts", "explain_ending", "prediction"]

Kind = Literal[
    "finished",
    "stopped",
    "oom",
    "disk",
    "gpu_lost",
    "killed",
    "input",
    "crash",
    "elsewhere",
    "live",
]
# What a worker calls its failure, where the screen's word is the same.
_SAME: dict[str, Kind] = {"oom": "oom", "disk": "disk", "input": "input"}
_MIB, _GIB = 2**20, 2**30
_TAIL_LINES = 8
# A C++ library that ends the process writes its reason above its own stack.
_SEARCHED_LINES = 60
# Of a trace only the end is read; a chain of exceptions can be long.
_TRACE_BYTES = 256 * 1024
_PLACES = {
    "start": "before its first stage",
    "import": "while the libraries were imported",
    "download": "while the model was downloaded",
    "load": "while the model was loaded",
    "tokenise": "while the data was tokenised",
    "train": "in training",
    "forward": "in the forward pass",
    "backward": "in the backward pass",
    "optimizer": "in the optimizer step",
    "eval": "in the evaluation",
    "save": "while a checkpoint was saved",
}
# Phases of the step after the last one done.
_WITHIN_A_STEP = ("train", "forward", "backward", "optimizer")


@dataclass(frozen=True, slots=True)
class Ending:
    """One value that a command prints and a screen draws.

    `title` is one short line, `message` says more, `evidence` are lines it is known by: the
    supervisor's reason, signal and counts, the worker's last words, the file with the traceback.
    `kept` says in words what a resume starts from; `last_checkpoint_step` is 0 without one.
    `actions` are ranked, never empty, and texts are safe to print; `memory` is there where memory
    ran out.
    """

    kind: Kind
    title: str
    message: str
    evidence: tuple[str, ...]
    memory: MemoryFacts | None
    kept: str
    last_checkpoint_step: int
    actions: tuple[Action, ...]


def explain_ending(run: RunFolder, observed: Observed) -> Ending:
    """How a run ended and what can be done, from its log, its folder and this box.

    Can take seconds: checkpoints are hashed, and after out of memory the driver is asked. What
    cannot be read is left out; nothing here raises for a damaged folder.
    """
    case = _Case(run, observed)
    checkpoint = last_checkpoint(run.checkpoints)
    step = checkpoint.step if checkpoint else 0
    return Ending(
        kind=case.kind,
        title=inert(_title(case)),
        message=inert(_message(case)),
        evidence=tuple(inert(line) for line in _evidence(case)),
        memory=case.memory,
        kept=inert(_kept(run, checkpoint)),
        last_checkpoint_step=step,
        actions=tuple(_harmless(action) for action in _actions(case, step)),
    )


def prediction(run: RunFolder, observed: Observed) -> Budget | None:
    """What the estimate says the run needs, at its length and on this device.

    None where model, length or settings cannot be read. Of virtual memory only tensors count, as
    its limit does. Can take seconds where the driver sleeps.
    """
    from engine.runs.prediction import predict

    case = _Case(run, observed)
    predicted = predict(run, observed, case.memory, case.place)
    return predicted.shown(predicted.estimate(predicted.spec)) if predicted else None


class _Case:
    """What is known of one ending, read once."""

    def __init__(self, run: RunFolder, observed: Observed) -> None:
        self.run = run
        self.observed = observed
        self.status = observed.status
        self.failed = observed.status.failed if observed.state == "failed" else None
        self.exited = observed.status.exited if observed.state == "crashed" else None
        self.phase = self.failed.phase if self.failed else self.status.stage
        self.step = self.failed.step if self.failed else self.status.step
        self.trace, self.trace_text = _read_trace(run, self.failed.trace if self.failed else "")
        self.fault: GpuFault | None = None
        self.kind = self._kind()
        self.disk = self._look_at_disk() if self.kind == "disk" else None
        self.place: Place = ""
        self.memory: MemoryFacts | None = None
        if self.kind == "oom" and self.failed:
            self.place = memory_place(f"{self.failed.message}\n{self.trace_text}")
            self.memory = read_memory_facts(
                [self.trace_text, self.failed.message],
                phase=self.phase,
                step=self.step,
                measured_peak_gib=self._measured_gib(),
            )

    def _kind(self) -> Kind:
        state = self.observed.state
        if state in LIVE:
            return "live"
        if state in ("finished", "stopped", "elsewhere"):
            return state
        if self.failed is not None:
            error = self.failed.error
            if error in ("gpu", "crash"):
                self.fault = gpu_fault(self.failed.message)
            if error == "gpu" or self.fault:
                return "gpu_lost"
            return _SAME.get(error, "crash")
        if self.exited and (self.exited.oom_kills > 0 or self.exited.signal == "SIGKILL"):
            return "killed"
        # A fault in C++ code ends the process without an exception that the worker could tell of.
        self.fault = gpu_fault("\n".join(_words_of_errors(self.run)))
        return "gpu_lost" if self.fault else "crash"

    def _look_at_disk(self) -> FullDisk | None:
        from engine.runs.full_disk import look_at_disk

        return look_at_disk(self.run, [self.trace_text], self.phase)

    def _measured_gib(self) -> float:
        """The highest peak in the log of the memory that ran out; 0 where it was not measured."""
        steps = self.status.steps
        measured = (s.ram_gib if self.place == "RAM" else s.vram_gib for s in steps)
        return max((gib for gib in measured if math.isfinite(gib)), default=0.0)


def _title(case: _Case) -> str:
    where = _where(case.phase, case.step)
    if (rehearsed := case.status.rehearsed) is not None and not rehearsed.fits:
        where = f"{_PLACES.get(case.phase, 'in a pass')} of the rehearsal, before step 1"
    match case.kind:
        case "finished":
            return f"Finished after {case.step} steps"
        case "stopped":
            return f"Stopped at step {case.step}"
        case "live":
            return f"It is {case.observed.state}, at step {case.step}"
        case "elsewhere":
            host = case.status.started.host if case.status.started else "another box"
            return f"It ran on {host}, not here"
        case "oom":
            memory = f"{case.place} memory" if case.place in ("GPU", "virtual GPU") else "memory"
            return f"Out of {'RAM' if case.place == 'RAM' else memory} {where}"
        case "disk":
            return f"The disk was full {where}"
        case "gpu_lost":
            return f"{case.fault.title if case.fault else 'The GPU was lost'} {where}"
        case "killed":
            ram = case.exited is not None and case.exited.oom_kills > 0
            return f"{'Out of RAM: killed by the kernel' if ram else 'Killed'} {where}"
        case "input":
            return f"Its input could not be used, {where}"
    return f"It crashed {where}" if case.phase else "It ended before its worker began"


def _where(phase: str, step: int) -> str:
    place = _PLACES.get(phase, f"during {phase}" if phase else "before its first stage")
    if phase in _WITHIN_A_STEP:
        return f"{place} at step {step + 1}"
    return f"{place} after step {step}" if step else place


def _message(case: _Case) -> str:
    said = case.observed.message
    if case.kind == "killed" and case.exited:
        if case.exited.oom_kills > 0:
            return "RAM ran out, not GPU memory: the kernel killed the worker to save the box."
        return (
            "Something killed the worker. Mostly that is the kernel or the container when RAM, not "
            "GPU memory, runs out; a person or the box's owner can do it too."
        )
    if case.kind == "gpu_lost" and case.fault:
        return f"{_sentence(said)} {case.fault.meaning}"
    if case.kind == "crash" and is_device_assert(f"{said}\n{case.trace_text}"):
        return (
            f"{_sentence(said)} A check inside a kernel failed: an index was out of range, mostly "
            "a token that the model has no embedding for. The card is well."
        )
    return said or _title(case)


def _sentence(said: str) -> str:
    """A library's words with the full stop they most often lack."""
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _evidence(case: _Case) -> list[str]:
    lines = []
    if case.exited:
        exited = case.exited
        lines.append(f"supervisor: {exited.message}")
        lines.append(f"signal: {exited.signal}" if exited.signal else f"exit: {exited.exit_code}")
        if exited.oom_kills > 0 or exited.signal == "SIGKILL":
            lines.append(f"oom_kill count: {exited.oom_kills}")
        if case.kind == "killed":
            lines += _ram_lines(case)
    if case.disk:
        lines += _disk_lines(case.disk)
    if case.kind in ("crash", "killed", "gpu_lost", "elsewhere"):
        lines += [f"log: {line}" for line in log_tail(case.run, _TAIL_LINES)]
    if case.trace:
        lines.append(f"trace: {case.trace}")
    elif case.kind not in ("finished", "stopped", "live"):
        lines.append(f"whole log: {case.run.worker_log}")
    return lines


def _ram_lines(case: _Case) -> list[str]:
    peak = max((s.ram_gib for s in case.status.steps if math.isfinite(s.ram_gib)), default=0.0)
    lines = [f"RAM of the worker, highest logged: {peak:.2f} GiB"] if peak else []
    from engine.memory.device import this_ram

    try:
        here = this_ram()
    except OSError:
        return lines
    return [*lines, f"{here.name} here: {here.free_gib:.2f} of {here.usable_gib:.2f} GiB free now"]


def _disk_lines(disk: FullDisk) -> list[str]:
    return [
        f"{disk.mount}: {disk.free_bytes / _GIB:.2f} of {disk.total_bytes / _GIB:.2f} GiB free now",
        f"this run holds {disk.run_bytes / _GIB:.2f} GiB, {disk.checkpoint_bytes / _GIB:.2f} GiB "
        f"of it in checkpoints ({disk.num_checkpoints})",
    ]


def _kept(run: RunFolder, checkpoint: Checkpoint | None) -> str:
    if run.is_job:
        return "The run it worked on is as it was."
    if checkpoint is None:
        return "No whole checkpoint: a resume starts from the first step."
    size = checkpoint.num_bytes / _MIB
    return f"Step {checkpoint.step} is kept whole ({checkpoint.path}, {size:.1f} MiB)."


def _actions(case: _Case, step: int) -> tuple[Action, ...]:
    run, observed = case.run, case.observed
    if case.kind == "live":
        return ways.live_actions(run)
    if run.is_job:
        return ways.job_actions(run, observed)
    match case.kind:
        case "finished":
            return ways.result_actions(run)
        case "stopped":
            results = ways.result_actions(run) if run.result else ()
            return (ways.resume_action(run, "Train on from where it stopped"), *results)
        case "elsewhere":
            return ways.elsewhere_actions(run)
        case "input":
            return ways.input_actions(run, case.failed.hint if case.failed else "")
        case "killed":
            return ways.killed_actions(run, observed, step)
        case "disk":
            return _disk_actions(case)
        case "oom" if case.memory:
            from engine.runs.memory_actions import memory_actions
            from engine.runs.prediction import predict

            predicted = predict(run, observed, case.memory, case.place)
            return memory_actions(run, observed, case.memory, case.place, predicted, step)
        case "gpu_lost" if case.fault:
            return ways.gpu_actions(run, case.fault, step)
    is_assert = is_device_assert(f"{observed.message}\n{case.trace_text}")
    return ways.crash_actions(run, observed, step, case.trace, is_assert=is_assert)


def _disk_actions(case: _Case) -> tuple[Action, ...]:
    from engine.runs.effective import effective_spec
    from engine.runs.full_disk import disk_actions

    try:
        keep = effective_spec(case.run, dict(case.status.changes)).save.keep
    except TailfinError:
        keep = 1
    return disk_actions(case.run, case.disk, keep)


def _harmless(action: Action) -> Action:
    says, command = inert(action.says), inert(action.command)
    cost, gib = action.cost, action.predicted_gib
    return Action(says, action.changes, command, action.resumes, gib, cost)


def _words_of_errors(run: RunFolder) -> list[str]:
    """The last lines of the worker's output that are no warnings: those come from healthy runs."""
    return [line for line in log_tail(run, _SEARCHED_LINES) if "warning" not in line.lower()]


def _read_trace(run: RunFolder, name: str) -> tuple[str, str]:
    """Path and last part of the traceback's file; both empty where there is none in the folder."""
    path = run.path / name
    try:
        if not name or not path.resolve().is_relative_to(run.path.resolve()):
            return "", ""
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TRACE_BYTES))
            return str(path), file.read().decode("utf-8", "replace")
    except (OSError, ValueError, RuntimeError):  # a NUL in the name, links in a circle
        return "", ""
