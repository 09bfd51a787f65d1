"""What the result screen knows of a run: what it delivered, exported and measured, and its jobs."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.cost.bill import bill, say_bill
from engine.cost.price import read_price
from engine.errors import TailfinError
from engine.evaluate.delivered import Delivered, find_delivered
from engine.evaluate.questions import usual_questions
from engine.evaluate.report import EvalReport, last_evaluation, made_at
from engine.export.report import ExportReport, read_report
from engine.export.targets import FORMS, Form, refuse_impossible
from engine.memory.budget import GIB
from engine.runs.events import Evaluated
from engine.runs.measured import of_run
from engine.runs.state import observe
from engine.runs.status import Status
from engine.runs.store import RunFolder
from engine.take_home import copy_here
from tui.draw.words import size

_WEIGHTS = (".safetensors", ".bin")


@dataclass(frozen=True, slots=True)
class ExportView:
    """One form of export: its report where it was made, else why it cannot be made or read.

    `needs_bytes` is about what it takes on disk, 0 where that is not known. `is_old`: it was made
    before the last attempt, so it holds other weights than those that were delivered.
    """

    form: Form
    path: Path
    report: ExportReport | None
    needs_bytes: int = 0
    is_old: bool = False
    refused: str = ""
    damaged: str = ""


@dataclass(frozen=True, slots=True)
class ResultView:
    """A delivered run at one moment. `files` are (name, bytes) of what was delivered.

    `questions` are those both models are asked, None for held-out rows; `copy_home` is the command
    that takes the exports, or else what was delivered, to a person's own machine.
    """

    delivered: Delivered
    files: tuple[tuple[str, int], ...]
    exports: tuple[ExportView, ...]
    evaluation: RunFolder | None
    report: EvalReport | None
    questions: Path | None
    copy_home: str
    cost: str = ""
    """What the box has cost for it, and since its end; empty where no price was entered."""
    memory: str = ""
    """Peak of the tensors as measured and as foretold; empty where either is not known."""

    @property
    def run(self) -> RunFolder:
        return self.delivered.run

    @property
    def base_eval(self) -> Evaluated | None:
        """The base on the held-out rows, as measured before the first step."""
        return next((e for e in self.delivered.status.evals if e.step == 0), None)

    @property
    def tuned_eval(self) -> Evaluated | None:
        """What was delivered on the held-out rows: the best evaluation, or the last one."""
        after = [e for e in self.delivered.status.evals if e.step > 0]
        finite = [e for e in after if math.isfinite(e.loss)]
        if finite and self.delivered.spec.eval.keep_best:
            return min(finite, key=lambda e: e.loss)
        return after[-1] if after else None

    @property
    def possible_forms(self) -> tuple[Form, ...]:
        """Forms this run can be exported to."""
        return tuple(export.form for export in self.exports if not export.refused)

    @property
    def missing_forms(self) -> tuple[Form, ...]:
        """Possible forms of what was delivered that were not exported yet."""
        missing = [e for e in self.exports if e.report is None or e.is_old]
        return tuple(export.form for export in missing if not export.refused)


def read_result(run: RunFolder) -> ResultView:
    """The result of a run, read from disk; raises TailfinError while there is none."""
    delivered = find_delivered(run)
    found = last_evaluation(run, since=delivered.status.started_time)
    exports = tuple(_export(delivered, form) for form in FORMS)
    is_exported = any(e.report is not None and not e.is_old for e in exports)
    return ResultView(
        delivered,
        files_of(delivered.result),
        exports,
        found[0] if found else None,
        found[1] if found else None,
        usual_questions(delivered.spec),
        copy_here(run.exports if is_exported else delivered.result),
        _cost(run),
        _memory(run, delivered.status),
    )


def _cost(run: RunFolder) -> str:
    with suppress(TailfinError):
        price = read_price()
        return say_bill(bill(observe(run), time.time()), price) if price else ""
    return ""


def _memory(run: RunFolder, status: Status) -> str:
    tensors = next((one for one in of_run(run.id, status) if one.figure == "tensors"), None)
    if tensors is None:
        return ""
    measured, foretold = (size(g * GIB) for g in (tensors.measured_gib, tensors.predicted_gib))
    return f"peak of the tensors {measured}, foretold {foretold} ({tensors.error:+.1%})"


def files_of(folder: Path) -> tuple[tuple[str, int], ...]:
    """Names and sizes of the files of a folder, the biggest first."""
    try:
        found = [(path.name, path.stat().st_size) for path in folder.iterdir() if path.is_file()]
    except OSError:
        return ()
    return tuple(sorted(found, key=lambda file: (-file[1], file[0])))


def _export(delivered: Delivered, form: Form) -> ExportView:
    path = delivered.run.exports / form
    try:
        refuse_impossible(delivered, [form])
    except TailfinError as error:
        return ExportView(form, path, None, refused=error.message)
    needs_bytes = _weight_bytes(delivered, form)
    if not path.exists():
        return ExportView(form, path, None, needs_bytes)
    try:
        report = read_report(path)
        is_old = made_at(report.created) < delivered.status.started_time
        return ExportView(form, path, report, needs_bytes, is_old)
    except TailfinError as error:
        return ExportView(form, path, None, needs_bytes, damaged=error.message)


def _weight_bytes(delivered: Delivered, form: Form) -> int:
    """The weights a form is made of; merged ones take as much as the base they are merged into."""
    is_merge = form == "merged" and delivered.is_adapter
    folder = Path(delivered.spec.model.path).expanduser() if is_merge else delivered.result
    return sum(size for name, size in files_of(folder) if name.endswith(_WEIGHTS))
