"""`tailfin eval RUN`: held-out loss of base and tuned, and their answers side by side."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.output import print_json
from engine.cli.spec_arguments import add_runs_argument
from engine.errors import TailfinError

if TYPE_CHECKING:
    from engine.evaluate.report import AnswerPair, EvalReport


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="id, path or 'last'")
    parser.add_argument(
        "--questions", metavar="FILE", help="ask these: .txt with one per line, or chat rows"
    )
    parser.add_argument("--rows", type=int, default=0, metavar="N", help="at most N held-out rows")
    parser.add_argument(
        "--max-new-tokens", type=int, default=128, metavar="N", help="longest answer (128)"
    )
    add_runs_argument(parser)


def run(args: argparse.Namespace) -> int:
    from engine.cli.outcome import see_through
    from engine.evaluate.report import plain, read_answers, read_report
    from engine.evaluate.start import start_evaluation
    from engine.runs.store import find_run

    rows = _at_least(args.rows, 0, "--rows")
    longest = _at_least(args.max_new_tokens, 1, "--max-new-tokens")
    folder = find_run(args.run, args.runs)
    questions = Path(args.questions) if args.questions else None
    job = start_evaluation(folder, questions=questions, rows=rows, max_new_tokens=longest)
    code = see_through(job, as_json=args.json)
    if code:
        return code
    report, answers = read_report(job), read_answers(job)
    if args.json:
        said = [answer.model_dump() for answer in answers]
        data = {"job": str(job.path), "report": plain(report), "answers": said}
        print_json("eval", ok=True, data=data)
    else:
        print()
        print(table(report))
        print()
        print(answer_text(answers, shutil.get_terminal_size().columns))
    return 0


def table(report: EvalReport) -> str:
    """The figures of both models as text."""
    answers = report.answers
    lines = []
    if report.base and report.tuned and report.difference:
        base, tuned, gap = report.base, report.tuned, report.difference
        lines += [
            f"{'':<16}{'base':>12}{'tuned':>12}",
            f"{'held-out loss':<16}{base.loss:>12.4f}{tuned.loss:>12.4f}",
            f"{'perplexity':<16}{base.perplexity:>12.2f}{tuned.perplexity:>12.2f}",
            f"{'token accuracy':<16}{base.accuracy:>12.1%}{tuned.accuracy:>12.1%}",
            f"Difference {gap.loss:+.4f} per token, {gap.confidence:.0%} between {gap.low:+.4f} "
            f"and {gap.high:+.4f}: {gap.verdict}.",
            f"Measured on {report.num_rows} held-out rows, {report.num_tokens} trained tokens, "
            f"cut at {report.max_length} ({report.num_cut} rows were longer).",
        ]
    else:
        lines.append("No rows were held out, so there is no loss to compare.")
    if report.base_form != "as published":
        lines.append(f"The base was held in {report.base_form}, as in training.")
    if answers.num_questions:
        lines.append(
            f"Answers cut off at {answers.max_new_tokens} tokens: base {answers.base_hit_limit:.0%}"
            f", tuned {answers.tuned_hit_limit:.0%} of {answers.num_questions}."
        )
    return "\n".join(lines)


def answer_text(answers: list[AnswerPair], width: int) -> str:
    """Every question with both answers beside each other, the reference where known."""
    from engine.cli.side_by_side import inert_text, side_by_side

    parts = []
    for number, pair in enumerate(answers, start=1):
        turns = [turn["content"] for turn in pair.messages if turn["role"] == "user"]
        blocks = [
            ("base" + _cut(pair.base.hit_limit), pair.base.text),
            ("tuned" + _cut(pair.tuned.hit_limit), pair.tuned.text),
        ]
        if pair.reference:
            blocks.append(("reference", pair.reference))
        parts += [f"{number}. {inert_text(turns[-1])}", side_by_side(blocks, width), ""]
    return "\n".join(parts).rstrip()


def _cut(hit_limit: bool) -> str:
    return " (cut off)" if hit_limit else ""


def _at_least(value: int, lowest: int, name: str) -> int:
    if value < lowest:
        raise TailfinError(
            f"{name} is {value}, the least is {lowest}.",
            f"Give {name} a larger number.",
            where=name,
        )
    return value
