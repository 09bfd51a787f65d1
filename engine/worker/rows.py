"""From the data file to what the trainer eats: split, tokenised, checked, cut."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.data.leakage import leaked
from engine.data.lengths import LengthAdvice, suggest_max_length
from engine.data.read import read_data
from engine.data.rows import Row
from engine.data.split import split_rows
from engine.errors import TailfinError
from engine.findings import Finding, worst_first
from engine.runs.store import RunFolder
from engine.spec import OVERRIDABLE, Spec
from engine.worker.job import Job
from engine.worker.token_checks import ControlTokens, check_tokens
from engine.worker.tokens import TokenRow, render_template, tokenise_rows

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Token rows for training and evaluation, and the length they are cut at (tokens)."""

    train: list[TokenRow]
    held_out: list[TokenRow]
    max_length: int
    cut_share: float

    @property
    def longest(self) -> int:
        """Tokens of the longest row of both sets as it is cut."""
        lengths = (len(row.input_ids) for row in (*self.train, *self.held_out))
        return min(max(lengths, default=0), self.max_length)

    @property
    def tokens_per_epoch(self) -> int:
        return sum(min(len(row.input_ids), self.max_length) for row in self.train)

    @property
    def trained_tokens_per_epoch(self) -> int:
        return sum(row.trained_in(0, self.max_length) for row in self.train)


def prepare_rows(job: Job, spec: Spec, tokenizer: Any, model_limit: int | None) -> TrainingRows:
    """Read, split, tokenise and check; raises TailfinError when a row would train nothing.

    The held-out rows are written into the run folder, so that every later verdict uses them.
    """
    train_rows, held_out_rows = _split(spec)
    seen = _fingerprint(train_rows, held_out_rows)
    if job.step > 0:
        _refuse_other_rows(job.run.rows_record, seen)
    _write_held_out(job.run, held_out_rows)
    if spec.data.eval_path and not held_out_rows:
        message = f"{spec.data.eval_path} has no usable row: nothing is evaluated."
        job.notice("data.no-eval", "warn", message)
    if spec.data.eval_path:
        judge(job, leaked(train_rows, held_out_rows, spec.data.eval_path))
    template = render_template(tokenizer, spec.model.chat_template)
    # Saved with the result: the model is served with the very template it was trained with.
    tokenizer.chat_template = template.source
    controls = ControlTokens(tokenizer, template)
    for row in train_rows:
        controls.look(row)
    allowed = spec.data.allowed
    judge(job, [*template.notices, *controls.findings()], allowed)
    total = len(train_rows) + len(held_out_rows)
    job.progress(0, total, "rows")
    train, held_out = (
        tokenise_rows(
            part, tokenizer, template, loss_on=spec.train.loss_on, num_proc=spec.data.num_proc
        )
        for part in (train_rows, held_out_rows)
    )
    job.progress(total, total, "rows")
    advice = suggest_max_length([len(row.input_ids) for row in train], model_limit)
    max_length = spec.data.max_length or advice.max_length
    cut = sum(len(row.input_ids) > max_length for row in train) / max(1, len(train))
    _say_length(job, spec, advice, max_length, cut)
    share = spec.data.max_untrained_share
    found = check_tokens(train, max_length, spec.data.packing, max_untrained_share=share)
    judge(job, found, allowed)
    train = [row for row in train if row.trained_in(1, max_length)]
    if not train:
        judge(job, found)  # nothing is left to train on, whatever is allowed
    job.run.rows_record.write_text(seen + "\n", encoding="utf-8")
    # Held-out rows cut down to nothing only make the figure thinner: left out, and said.
    kept = [row for row in held_out if row.trained_in(1, max_length)]
    if len(kept) < len(held_out):
        job.notice(
            "data.eval-untrained",
            "warn",
            f"{len(held_out) - len(kept)} held-out rows had no answer left at "
            f"{max_length} tokens and were left out.",
            "Raise data.max_length.",
        )
    return TrainingRows(train, kept, max_length, cut)


def as_dataset(rows: list[TokenRow]) -> Dataset:
    """Columns `input_ids` and `labels`, which TRL takes as they are: it cuts and packs them."""
    from datasets import Dataset

    return Dataset.from_dict(
        {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
    )


def _split(spec: Spec) -> tuple[list[Row], list[Row]]:
    data = spec.data
    file = read_data(data.path, layout=data.format, columns=data.columns, system=data.system)
    if data.eval_path:
        other = read_data(
            data.eval_path, layout=data.format, columns=data.columns, system=data.system
        )
        limit = data.eval_max_rows or len(other.rows)
        return list(file.rows), list(other.rows[:limit])
    return split_rows(
        file.rows, fraction=data.eval_fraction, max_rows=data.eval_max_rows, seed=spec.train.seed
    )


def _fingerprint(train: list[Row], held_out: list[Row]) -> str:
    """Number of rows to train and held out, and a hash of their text."""
    digest = hashlib.sha256()
    for row in (*train, *held_out):
        digest.update(repr([(m.role, m.content) for m in row.messages]).encode("utf-8", "replace"))
    return f"{len(train)} {len(held_out)} {digest.hexdigest()}"


def _refuse_other_rows(record: Path, seen: str) -> None:
    """A resume on other rows would train on what was held out and compare losses of two sets."""
    if not record.exists():
        return
    before, now = record.read_text(encoding="utf-8").split(), seen.split()
    if before != now:
        raise TailfinError(
            f"The rows changed since this run began: {before[0]} to train and {before[1]} held "
            f"out then, {now[0]} and {now[1]} now, or other text in them.",
            "Put the old data file back, or start a new run on the new one.",
            where="data.path",
            error_id="data.changed",
        )


def _write_held_out(run: RunFolder, rows: list[Row]) -> None:
    draft = run.held_out.with_suffix(".partial")
    with open(draft, "w", encoding="utf-8") as file:
        for row in rows:
            record = {"messages": row.as_dicts(), "record": row.record, "line": row.line}
            if row.tools:
                record["tools"] = json.loads(row.tools)
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    draft.rename(run.held_out)


def _say_length(
    job: Job, spec: Spec, advice: LengthAdvice, max_length: int, cut_share: float
) -> None:
    chosen = "chosen" if spec.data.max_length else "taken from the data"
    job.notice(
        "data.max-length",
        "warn" if cut_share > 0.01 else "info",
        f"Rows are cut at {max_length} tokens ({chosen}): {cut_share:.1%} of rows lose text; "
        f"the longest has {advice.longest}, 95 % have at most {advice.p95}.",
        f"Set data.max_length={advice.max_length}." if cut_share > 0.01 else "",
    )


def judge(job: Job, findings: list[Finding], allowed: Collection[str] = ()) -> None:
    """Write what was found into the journal; raises TailfinError for the worst `fail`.

    Findings in `allowed` (data.allow) do not stop the run: the journal keeps what was overridden.
    """
    for finding in worst_first(findings):
        if finding.severity in ("warn", "info"):
            job.notice(finding.id, finding.severity, finding.message, finding.fix)
        elif finding.id in allowed:
            said = f"{finding.message} data.allow overrides this: the run goes on."
            job.notice(finding.id, "warn", said, finding.fix)
    refused = [f for f in worst_first(findings) if f.severity == "fail" and f.id not in allowed]
    if refused:
        worst = refused[0]
        fix = worst.fix
        if worst.id in OVERRIDABLE and not allowed:
            fix = f"{fix} To train all the same: --set data.allow={worst.id}"
        raise TailfinError(worst.message, fix, where=worst.where, error_id=worst.id)
