"""Reads from runs what was foretold and what was measured, figure by figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.memory.budget import GIB
from engine.memory.calibration import Comparison, Figure
from engine.runs.reader import read_all
from engine.runs.status import Status, fold_all
from engine.runs.store import RunFolder

_STACK = ("torch", "transformers", "peft", "trl", "bitsandbytes")


def comparisons(runs: Iterable[RunFolder]) -> list[Comparison]:
    """Every figure that both was foretold and measured, oldest run first.

    A log that cannot be read, or is older than predictions are, has none.
    """
    found: list[Comparison] = []
    for run in sorted(runs, key=lambda run: run.id):
        try:
            found += of_run(run.id, fold_all(read_all(run.events)))
        except OSError:
            continue
    return found


def of_run(run_id: str, status: Status) -> Iterator[Comparison]:
    """The figures of one run, from its folded log."""
    predicted, plan = status.predicted, status.plan
    if predicted is None or plan is None:
        return
    setting = f"{plan.micro_batch} x {plan.max_length}, {plan.dtype}"
    versions = (status.started.versions if status.started else None) or {}
    stack = " ".join(f"{name} {versions[name]}" for name in _STACK if name in versions)
    foretold: dict[Figure, float] = {
        "tensors": predicted.tensors_gib,
        "reserved": predicted.reserved_gib,
        "process": predicted.process_gib,
        "eval tensors": predicted.eval_tensors_gib,
        "checkpoint": predicted.checkpoint_bytes / GIB,
    }
    for figure, measured in _measured(status).items():
        if measured > 0 and foretold[figure] > 0:
            yield Comparison(
                run_id, predicted.device, stack, setting, predicted.tier, figure,
                foretold[figure], measured,
            )  # fmt: skip


def _measured(status: Status) -> dict[Figure, float]:
    """Peaks of this attempt: of its steps, and of its rehearsal where that went through."""
    first = status.started.from_step if status.started else 0
    steps = [step for step in status.steps if step.step > first]
    rehearsed = status.rehearsed if status.rehearsed and status.rehearsed.fits else None
    figures: dict[Figure, float] = {
        "tensors": max((step.vram_gib for step in steps), default=0.0),
        "reserved": max((step.vram_reserved_gib for step in steps), default=0.0),
        "checkpoint": max((c.num_bytes for c in status.checkpoints), default=0) / GIB,
    }
    if rehearsed is not None:
        figures["tensors"] = max(figures["tensors"], rehearsed.tensors_gib)
        figures["reserved"] = max(figures["reserved"], rehearsed.reserved_gib)
        figures["eval tensors"] = rehearsed.eval_tensors_gib
        # On a CPU the process is Python and the libraries too, which no card would hold.
        figures["process"] = rehearsed.process_gib
    return figures
