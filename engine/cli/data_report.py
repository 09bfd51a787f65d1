"""`tailfin data report FILE`: what is wrong with a data file, and how long its rows are.

With --json the envelope's `data` holds:
  report: file, container (json, jsonl, csv, parquet, folder), layout, columns, num_records,
    num_rows, num_left_out, structure (num_turns, num_multi_turn, num_system_prompts,
    num_duplicates, num_contradictions, prompt_chars and answer_chars with p50, p95, p99, longest,
    or null),
    quality (what was found in rows, most severe kinds first: id, severity, text, count, share,
    examples with record, line, file, turn, start, end, seen; why, fix, acts),
    tokens (the fields of engine.data.token_report.TokenReport without findings; null without
    --model, and where the tokenizer failed, which is a finding then), sample (a few rows: line,
    record, messages, long ones cut, num_more_messages), fields (all columns or top-level keys of
    the file: name, first_value)
  report, where the file cannot be read as it is: fields, proposal (of a mapping of columns, the
    fields of engine.data.proposal.MappingProposal, or null)
Exit code 1 when a finding fails, 2 when the file cannot be used at all.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine.cli.data_arguments import add_settings, data_spec, opened, scan
from engine.cli.output import error_finding, note, print_findings, print_json
from engine.data.read import plain_text_refused
from engine.errors import EXIT_DONE, EXIT_NO, TailfinError
from engine.findings import any_fail, worst_first

if TYPE_CHECKING:
    from engine.data.quality.report import Quality
    from engine.data.rows import Row
    from engine.data.source import Scanned, Source
    from engine.data.spread import Spread
    from engine.data.token_report import TokenReport
    from engine.spec import Spec

# Of a sampled row, as much as a screen could show.
_SAMPLE_CHARS = 4000
_SAMPLE_MESSAGES = 40
_PROGRESS_S = 5.0


def configure(subparsers: argparse._SubParsersAction[Any]) -> None:
    report = subparsers.add_parser(
        "report", help="say what is wrong with a data file, and how long"
    )
    report.add_argument(
        "file", help="JSON, JSONL, CSV, TSV or Parquet, also .gz or .zst, or a folder of them"
    )
    report.add_argument("--model", help="count tokens with this model's tokenizer and template")
    report.add_argument("--max-length", type=int, metavar="N", help="judge cuts at N tokens")
    report.add_argument("--eval", metavar="FILE", help="rows to evaluate on: what leaked is told")
    report.add_argument(
        "--until-stdin-ends",
        action="store_true",
        help="for programs that start this: end when standard input does",
    )
    add_settings(report)


def run(args: argparse.Namespace) -> int:
    from engine.data.quality.report import report_quality

    if args.until_stdin_ends:
        from engine.data.lifeline import end_with_stdin

        end_with_stdin()
    spec = data_spec(args, model=args.model, max_length=args.max_length, eval_path=args.eval)
    scanned: Scanned | None = None
    try:
        scanned = scan(spec)
        source = opened(spec, scanned, plain_text=True)
    except TailfinError as error:
        if not args.json:
            raise
        refused = {"fields": _fields(scanned), "proposal": _proposal(error)}
        print_json("data", ok=False, data=refused, findings=[error_finding(error)])
        return error.exit_code
    held_out = _held_out(spec)
    quality = report_quality(source, _progress(), held_out=held_out)
    is_text = source.layout == "text"
    tokens, failure = None, None
    if args.model and quality.num_rows and not is_text:
        from engine.data.token_report import report_tokens

        note(f"Counting the tokens of {quality.num_rows} rows with {args.model} ...")
        try:
            tokens = report_tokens(spec)
        except TailfinError as error:
            if not args.json:
                raise
            failure = error
    findings = worst_first(
        [
            *([error_finding(failure)] if failure else ()),
            *([error_finding(plain_text_refused(source.path))] if is_text else ()),
            *quality.findings,
            *(tokens.findings if tokens else ()),
        ]
    )
    failed = any_fail(findings)
    if args.json:
        told = _as_dict(spec, source, quality, tokens) | {"fields": _fields(scanned)}
        print_json("data", ok=not failed, data=told, findings=findings)
    else:
        _print_report(source, quality, tokens)
        print_findings(findings)
    if failure:
        return failure.exit_code
    return EXIT_NO if failed else EXIT_DONE


def _held_out(spec: Spec) -> Source | None:
    """The rows of data.eval_path, with the training rows' own layout or mapping."""
    if not spec.data.eval_path:
        return None
    from engine.data.leakage import refuse_same_file

    refuse_same_file(spec.data.path, spec.data.eval_path)
    other = spec.model_copy(
        update={"data": spec.data.model_copy(update={"path": spec.data.eval_path})}
    )
    return opened(other, scan(other))


def _progress() -> Callable[[int, int], None]:
    """Tells a person on a terminal, now and then, how far a long look has come."""
    began = last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_S and done < total:
            last = now
            left = (now - began) * (total - done) / max(done, 1)
            note(f"Looked at {done:,} of {total:,} rows, about {left:.0f} s left ...")

    return tell


def _as_dict(
    spec: Spec, source: Source, quality: Quality, tokens: TokenReport | None
) -> dict[str, object]:
    told = asdict(quality)
    tallies = told.pop("tallies")
    for key in ("findings", "sample", "num_rows"):
        del told[key]
    counted = tokens.as_dict() if tokens else None
    if counted:
        del counted["findings"]
    return {
        "file": source.path,
        "container": source.container,
        "layout": source.layout,
        "columns": dict(spec.data.columns),
        "num_records": source.num_records,
        "num_rows": quality.num_rows,
        "num_left_out": source.num_records - quality.num_rows,
        "structure": told,
        "quality": tallies,
        "tokens": counted,
        "sample": [_sampled(row) for row in quality.sample],
    }


def _sampled(row: Row) -> dict[str, object]:
    """A row to read: beginnings only, because one row may be a whole book."""
    messages = [
        {**message.as_dict(), "content": _beginning(message.content)}
        for message in row.messages[:_SAMPLE_MESSAGES]
    ]
    num_more = len(row.messages) - len(messages)
    return {
        "line": row.line,
        "record": row.record,
        "messages": messages,
        "num_more_messages": num_more,
    }


def _beginning(text: str) -> str:
    return text if len(text) <= _SAMPLE_CHARS else f"{text[: _SAMPLE_CHARS - 3]}..."


def _fields(scanned: Scanned | None) -> list[dict[str, object]]:
    from engine.data.fields import list_fields

    return [asdict(field) for field in list_fields(scanned.parsed.records)] if scanned else []


def _proposal(error: TailfinError) -> dict[str, object] | None:
    from engine.data.proposal import UnconfirmedMapping
    from engine.data.text import is_encodable

    if not isinstance(error, UnconfirmedMapping):
        return None
    # A name with half a surrogate pair cannot be written into a spec, so it cannot be confirmed.
    named = all(map(is_encodable, error.proposal.columns.values()))
    return asdict(error.proposal) if named else None


def _print_report(source: Source, structure: Quality, tokens: TokenReport | None) -> None:
    from engine.data.text import counted

    left_out = source.num_records - structure.num_rows
    print(f"{source.path}: {source.container}, layout {source.layout}")
    print(f"rows        {structure.num_rows} usable, {left_out} left out")
    print(
        f"turns       {structure.num_turns}; {counted(structure.num_multi_turn, 'row')} with "
        f"several answers, {counted(structure.num_system_prompts, 'system prompt')}"
    )
    print(
        f"repeats     {counted(structure.num_duplicates, 'repeated row')}, "
        f"{counted(structure.num_contradictions, 'question')} with different answers"
    )
    if structure.prompt_chars and structure.answer_chars:
        print(f"questions   {_spread(structure.prompt_chars)} characters")
        print(f"answers     {_spread(structure.answer_chars)} characters")
    if tokens:
        _print_tokens(tokens)
    if structure.sample:
        print("A few rows to read, because no check here knows whether an answer is true:")
        _print_sample(structure.sample)


def _print_tokens(tokens: TokenReport) -> None:
    from engine.data.text import counted

    lengths = tokens.lengths
    stops = ", ".join(tokens.stop_tokens) or "no token"
    print(
        f"tokens      half have up to {lengths.p50}, 95 % up to {lengths.p95}, 99 % up to "
        f"{lengths.p99}, the longest {lengths.longest}"
    )
    chosen = "suggested" if tokens.is_suggested else f"given; suggested: {tokens.suggested}"
    print(
        f"max length  {lengths.max_length} ({chosen}) cuts "
        f"{counted(lengths.cut_rows, 'row')} ({lengths.cut_share:.1%})"
    )
    print(
        f"trained     {tokens.num_trained} of {tokens.num_tokens} tokens; "
        f"{counted(tokens.num_untrained, 'row')} without a trained token, {tokens.num_endless} "
        f"without a trained end"
    )
    print(f"template    {tokens.template} ({tokens.method}), answers end with {stops}")


def _print_sample(rows: Sequence[Row]) -> None:
    from engine.data.faults import places
    from engine.data.text import shown

    for row in rows:
        print(f"  {places([(row.record, row.line)])}")
        for message in row.messages[-3:]:
            print(f"    {message.role:<9} {shown(message.content, 200)}")


def _spread(spread: Spread) -> str:
    return (
        f"half have up to {spread.p50}, 95 % up to {spread.p95}, 99 % up to {spread.p99}, "
        f"the longest {spread.longest}"
    )
