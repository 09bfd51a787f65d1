"""`tailfin data report FILE`: what is wrong with a data file, and how long its rows are.

With --json the envelope's `data` holds:
  report: file, container (json, jsonl, csv, parquet), layout, columns, num_records, num_rows,
    num_left_out, structure (num_turns, num_multi_turn, num_system_prompts, num_duplicates,
    num_contradictions, prompt_chars and answer_chars with p50, p95, p99, longest, or null),
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
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine.cli.data_arguments import add_settings, data_spec, parse, read
from engine.cli.output import error_finding, note, print_findings, print_json
from engine.errors import EXIT_DONE, EXIT_NO, TailfinError
from engine.findings import any_fail, worst_first

if TYPE_CHECKING:
    from engine.data.read import ParsedFile
    from engine.data.report import Spread, Structure
    from engine.data.rows import DataFile, Row
    from engine.data.token_report import TokenReport

# Of a sampled row, as much as a screen could show.
_SAMPLE_CHARS = 4000
_SAMPLE_MESSAGES = 40


def configure(subparsers: argparse._SubParsersAction[Any]) -> None:
    report = subparsers.add_parser(
        "report", help="say what is wrong with a data file, and how long"
    )
    report.add_argument("file", help="JSON, JSONL, CSV or Parquet")
    report.add_argument("--model", help="count tokens with this model's tokenizer and template")
    report.add_argument("--max-length", type=int, metavar="N", help="judge cuts at N tokens")
    report.add_argument(
        "--until-stdin-ends",
        action="store_true",
        help="for programs that start this: end when standard input does",
    )
    add_settings(report)


def run(args: argparse.Namespace) -> int:
    from engine.data.report import report_structure

    if args.until_stdin_ends:
        from engine.data.lifeline import end_with_stdin

        end_with_stdin()
    spec = data_spec(args, model=args.model, max_length=args.max_length)
    parsed: ParsedFile | None = None
    try:
        parsed = parse(spec)
        data = read(spec, parsed)
    except TailfinError as error:
        if not args.json:
            raise
        refused = {"fields": _fields(parsed), "proposal": _proposal(error)}
        print_json("data", ok=False, data=refused, findings=[error_finding(error)])
        return error.exit_code
    structure = report_structure(data)
    tokens, failure = None, None
    if args.model and data.rows:
        from engine.data.token_report import report_tokens

        note(f"Counting the tokens of {len(data.rows)} rows with {args.model} ...")
        try:
            tokens = report_tokens(spec)
        except TailfinError as error:
            if not args.json:
                raise
            failure = error
    findings = worst_first(
        [
            *([error_finding(failure)] if failure else ()),
            *data.problems,
            *structure.findings,
            *(tokens.findings if tokens else ()),
        ]
    )
    failed = any_fail(findings)
    if args.json:
        told = {**_as_dict(data, structure, tokens), "fields": _fields(parsed)}
        print_json("data", ok=not failed, data=told, findings=findings)
    else:
        _print_report(data, structure, tokens)
        print_findings(findings)
    if failure:
        return failure.exit_code
    return EXIT_NO if failed else EXIT_DONE


def _as_dict(data: DataFile, structure: Structure, tokens: TokenReport | None) -> dict[str, object]:
    told = asdict(structure)
    for key in ("findings", "sample", "num_rows"):
        del told[key]
    counted = tokens.as_dict() if tokens else None
    if counted:
        del counted["findings"]
    return {
        "file": data.path,
        "container": data.container,
        "layout": data.layout,
        "columns": data.columns,
        "num_records": data.num_records,
        "num_rows": len(data.rows),
        "num_left_out": data.num_records - len(data.rows),
        "structure": told,
        "tokens": counted,
        "sample": [_sampled(row) for row in structure.sample],
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


def _fields(parsed: ParsedFile | None) -> list[dict[str, object]]:
    from engine.data.fields import list_fields

    return [asdict(field) for field in list_fields(parsed.records)] if parsed else []


def _proposal(error: TailfinError) -> dict[str, object] | None:
    from engine.data.proposal import UnconfirmedMapping
    from engine.data.text import is_encodable

    if not isinstance(error, UnconfirmedMapping):
        return None
    # A name with half a surrogate pair cannot be written into a spec, so it cannot be confirmed.
    named = all(map(is_encodable, error.proposal.columns.values()))
    return asdict(error.proposal) if named else None


def _print_report(data: DataFile, structure: Structure, tokens: TokenReport | None) -> None:
    from engine.data.text import counted

    left_out = data.num_records - len(data.rows)
    print(f"{data.path}: {data.container}, layout {data.layout}")
    print(f"rows        {len(data.rows)} usable, {left_out} left out")
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
