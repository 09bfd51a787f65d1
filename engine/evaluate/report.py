"""What an evaluation leaves on disk: report.json, and answers.jsonl beside it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import EXIT_NO, TailfinError
from engine.runs.store import RunFolder

REPORT = "report.json"
ANSWERS = "answers.jsonl"
Which = Literal["base", "tuned"]

# NaN and infinities as strings: JSON has no others, and a NaN must never turn into a gap.
_CONFIG = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Measure(BaseModel):
    """One model on the held-out rows; loss in nats per trained token, token-weighted."""

    model_config = _CONFIG
    loss: float
    perplexity: float
    accuracy: float


class Difference(BaseModel):
    """Tuned minus base loss with its bootstrap bounds, and what that means."""

    model_config = _CONFIG
    loss: float
    low: float
    high: float
    confidence: float
    seed: int
    verdict: str


class RowLoss(BaseModel):
    """One held-out row: its place in the data file, its trained tokens, both losses per token."""

    model_config = _CONFIG
    record: int
    line: int
    num_tokens: int
    base_loss: float
    tuned_loss: float


class Speech(BaseModel):
    """One model's answer; `hit_limit` when it was cut by the limit instead of stopping itself."""

    model_config = _CONFIG
    text: str
    num_tokens: int
    hit_limit: bool


class AnswerPair(BaseModel):
    """One question with both answers; `reference` is empty where none is known."""

    model_config = _CONFIG
    messages: list[dict[str, str]]
    reference: str
    base: Speech
    tuned: Speech


class AnswerSummary(BaseModel):
    """How many questions were asked, and the share of answers each model did not end itself."""

    model_config = _CONFIG
    num_questions: int
    max_new_tokens: int
    base_hit_limit: float
    tuned_hit_limit: float


class EvalReport(BaseModel):
    """A whole evaluation. `base`, `tuned` and `difference` are null where no rows were held out."""

    model_config = _CONFIG
    v: Literal[1] = 1
    run: str
    created: str
    method: str
    base_model: str
    base_form: str
    dtype: str
    device: str
    max_length: int
    num_rows: int
    num_tokens: int
    num_cut: int
    base: Measure | None
    tuned: Measure | None
    difference: Difference | None
    answers: AnswerSummary
    versions: dict[str, str]
    rows: list[RowLoss]


def measure(total_loss: float, num_correct: int, num_tokens: int) -> Measure:
    """Loss, perplexity and accuracy from sums over all trained tokens."""
    loss = total_loss / num_tokens
    try:
        perplexity = math.exp(loss)
    except OverflowError:
        perplexity = math.inf
    return Measure(loss=loss, perplexity=perplexity, accuracy=num_correct / num_tokens)


def write_report(job: RunFolder, report: EvalReport, answers: Sequence[AnswerPair]) -> None:
    """Write both files, each whole or not at all; the report last."""
    lines = "".join(answer.model_dump_json() + "\n" for answer in answers)
    _replace(job.path / ANSWERS, lines)
    _replace(job.path / REPORT, report.model_dump_json(indent=1) + "\n")


def read_report(job: RunFolder) -> EvalReport:
    """The report of an evaluation job; raises TailfinError where there is none or it is damaged."""
    path = job.path / REPORT
    try:
        return EvalReport.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise _unreadable(path, error) from None


def read_answers(job: RunFolder) -> list[AnswerPair]:
    """The answers of an evaluation job, in the order asked; raises TailfinError."""
    path = job.path / ANSWERS
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        return [AnswerPair.model_validate_json(line) for line in lines if line]
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def last_report(run: RunFolder, since: float = 0.0) -> EvalReport | None:
    """The newest readable evaluation of a run made after the unix time `since`, or None."""
    found = last_evaluation(run, since)
    return found[1] if found else None


def last_evaluation(run: RunFolder, since: float = 0.0) -> tuple[RunFolder, EvalReport] | None:
    """The newest evaluation job of a run whose report can be read, and that report; or None.

    `since` is a unix time: what was measured before an attempt began is about other weights.
    """
    try:
        folders = sorted(path for path in run.jobs.iterdir() if (path / REPORT).is_file())
    except OSError:
        return None
    for folder in reversed(folders):
        try:
            report = read_report(RunFolder(folder))
        except TailfinError:
            continue
        return (RunFolder(folder), report) if made_at(report.created) >= since else None
    return None


def made_at(created: str) -> float:
    """The unix time of a report's `created`, to the second; 0 where that is no time."""
    try:
        return datetime.fromisoformat(created).timestamp() + 1.0
    except ValueError:
        return 0.0


def plain(report: EvalReport) -> dict[str, object]:
    """The report as JSON values, non-finite numbers as strings."""
    table: dict[str, object] = json.loads(report.model_dump_json())
    return table


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}")
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def _unreadable(path: Path, error: Exception) -> TailfinError:
    said = error.strerror if isinstance(error, OSError) else "it is damaged"
    return TailfinError(
        f"The evaluation's {path.name} could not be read: {said}.",
        "Run the evaluation again.",
        where=path,
        exit_code=EXIT_NO,
    )
