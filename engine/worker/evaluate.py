"""The evaluation job: held-out loss of base and tuned, then both answering the same questions."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import TailfinError
from engine.evaluate.bootstrap import CONFIDENCE, SEED, paired_interval, verdict
from engine.evaluate.delivered import Delivered, find_delivered, held_out_rows
from engine.evaluate.questions import DEFAULT_COUNT, Question, as_questions, read_questions
from engine.evaluate.report import (
    AnswerPair,
    AnswerSummary,
    Difference,
    EvalReport,
    Measure,
    RowLoss,
    Speech,
    measure,
    write_report,
)
from engine.runs.events import Finished
from engine.runs.store import RunFolder
from engine.worker.job import Job, folder_argument, run_job
from engine.worker.trained import Pair, Which

if TYPE_CHECKING:
    from engine.worker.answers import Answer
    from engine.worker.score import RowScore
    from engine.worker.tokens import TokenRow

WHICH: tuple[Which, Which] = ("base", "tuned")


def main(argv: list[str]) -> int:
    """`engine.worker evaluate JOB RUN [--questions FILE] [--rows N] [--max-new-tokens N]`."""
    parser = argparse.ArgumentParser(prog="engine.worker evaluate")
    parser.add_argument("job")
    parser.add_argument("run")
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--max-new-tokens", type=int, default=128)
    args = parser.parse_args(argv)
    wish = Wish(args.questions, args.rows, args.max_new_tokens)
    run = folder_argument([args.run])
    return run_job(folder_argument([args.job]), "evaluate", lambda job: evaluate(job, run, wish))


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: a file of questions or the held-out ones, at most `rows` rows (0: all)."""

    questions: Path | None = None
    rows: int = 0
    max_new_tokens: int = 128


def evaluate(job: Job, run: RunFolder, wish: Wish) -> Finished:
    """Measure both models and write report.json and answers.jsonl into the job's folder."""
    began = time.monotonic()
    delivered = find_delivered(run)
    rows = held_out_rows(run)
    questions = _questions(delivered, wish)
    if not rows and not questions:
        raise TailfinError(
            f"The run {run.id} held out no rows, so there is nothing to measure on.",
            "Ask your own questions: tailfin eval RUN --questions FILE",
            where=run.held_out,
        )

    job.stage("import")
    from engine.worker.answers import answer
    from engine.worker.score import score_rows

    pair = Pair(delivered, job)
    token_rows, left_out = _token_rows(job, pair, wish.rows)
    batch = delivered.spec.eval.micro_batch or delivered.spec.train.micro_batch
    scores: dict[Which, list[RowScore]] = {}
    answers: dict[Which, list[Answer]] = {}
    for which in WHICH:
        with pair.model(which) as model:
            if token_rows:
                job.stage("eval", f"{which}: {len(token_rows)} held-out rows")
                scores[which] = score_rows(
                    model,
                    token_rows,
                    max_length=delivered.max_length,
                    micro_batch=batch,
                    dtype=pair.dtype,
                    progress=lambda done: job.progress(done, len(token_rows), "rows"),
                )
            job.stage("generate", f"{which}: {len(questions)} questions")
            answers[which] = []
            for question in questions:
                said = answer(
                    model,
                    pair.tokenizer,
                    pair.template,
                    question.as_dicts(),
                    max_new_tokens=wish.max_new_tokens,
                )
                answers[which].append(said)
                job.progress(len(answers[which]), len(questions), "answers")

    job.stage("save")
    pairs = _pairs(questions, answers)
    report = _report(pair, token_rows, scores, pairs, wish.max_new_tokens)
    write_report(job.run, report, pairs)
    if left_out:
        job.notice(
            "data.eval-untrained",
            "warn",
            f"{left_out} held-out rows have no answer left at {delivered.max_length} tokens.",
            "Train with a larger data.max_length.",
        )
    message = _say(report)
    return Finished(
        step=0, result="report.json", message=message, elapsed_s=time.monotonic() - began
    )


def _questions(delivered: Delivered, wish: Wish) -> list[Question]:
    if wish.questions is not None:
        return read_questions(wish.questions, delivered.spec.data.system)
    return as_questions(held_out_rows(delivered.run))[:DEFAULT_COUNT]


def _token_rows(job: Job, pair: Pair, limit: int) -> tuple[list[TokenRow], int]:
    """Held-out rows tokenised exactly as in training, and how many had nothing left to score."""
    from engine.worker.score import trained_tokens
    from engine.worker.tokens import tokenise_rows

    delivered = pair.delivered
    rows = held_out_rows(delivered.run)
    if not rows:
        return [], 0
    rows = rows[:limit] if limit else rows
    job.stage("tokenise", f"{len(rows)} held-out rows")
    tokens = tokenise_rows(
        rows, pair.tokenizer, pair.template, loss_on=delivered.spec.train.loss_on
    )
    job.progress(len(tokens), len(tokens), "rows")
    kept = [row for row in tokens if trained_tokens(row, delivered.max_length)]
    return kept, len(tokens) - len(kept)


def _report(
    pair: Pair,
    rows: list[TokenRow],
    scores: dict[Which, list[RowScore]],
    pairs: list[AnswerPair],
    max_new_tokens: int,
) -> EvalReport:
    delivered = pair.delivered
    base, tuned = scores.get("base", []), scores.get("tuned", [])
    tokens = [score.num_tokens for score in base]
    difference = None
    if rows:
        interval = paired_interval([s.loss for s in base], [s.loss for s in tuned], tokens)
        difference = Difference(
            loss=interval.difference,
            low=interval.low,
            high=interval.high,
            confidence=CONFIDENCE,
            seed=SEED,
            verdict=verdict(interval, len(rows)),
        )

    def whole(of: list[RowScore]) -> Measure | None:
        if not of:
            return None
        return measure(sum(s.loss for s in of), sum(s.num_correct for s in of), sum(tokens))

    return EvalReport(
        run=delivered.run.id,
        created=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        method=delivered.spec.train.method,
        base_model=delivered.spec.model.path,
        base_form=pair.base_form,
        dtype=pair.dtype,
        device=pair.device,
        max_length=delivered.max_length,
        num_rows=len(rows),
        num_tokens=sum(tokens),
        num_cut=sum(len(row.input_ids) > delivered.max_length for row in rows),
        base=whole(base),
        tuned=whole(tuned),
        difference=difference,
        answers=_summary(pairs, max_new_tokens),
        versions={name: version(name) for name in ("torch", "transformers", "peft", "trl")},
        rows=[
            RowLoss(
                record=row.record,
                line=row.line,
                num_tokens=before.num_tokens,
                base_loss=before.loss / before.num_tokens,
                tuned_loss=after.loss / after.num_tokens,
            )
            for row, before, after in zip(rows, base, tuned, strict=True)
        ],
    )


def _pairs(questions: Sequence[Question], answers: dict[Which, list[Answer]]) -> list[AnswerPair]:
    def speech(of: Answer) -> Speech:
        return Speech(text=of.text, num_tokens=of.num_tokens, hit_limit=of.hit_limit)

    return [
        AnswerPair(
            messages=question.as_dicts(),
            reference=question.reference,
            base=speech(base),
            tuned=speech(tuned),
        )
        for question, base, tuned in zip(questions, answers["base"], answers["tuned"], strict=True)
    ]


def _summary(pairs: list[AnswerPair], max_new_tokens: int) -> AnswerSummary:
    count = max(1, len(pairs))
    return AnswerSummary(
        num_questions=len(pairs),
        max_new_tokens=max_new_tokens,
        base_hit_limit=sum(pair.base.hit_limit for pair in pairs) / count,
        tuned_hit_limit=sum(pair.tuned.hit_limit for pair in pairs) / count,
    )


def _say(report: EvalReport) -> str:
    if report.base is None or report.tuned is None or report.difference is None:
        return f"{report.answers.num_questions} questions answered by both."
    return (
        f"Held-out loss {report.base.loss:.4f} before, {report.tuned.loss:.4f} after: "
        f"{report.difference.verdict}."
    )
