"""`tailfin data convert FILE OUT`: the rows in another layout and container.

OUT's ending names the container: .jsonl, .json, .csv, .tsv or .parquet, also with .gz or .zst. With
--json the envelope's `data` holds file, out, num_rows, num_left_out, and with --register the file
that was written for the other tool as registered. What a layout has no place for is a finding.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.data_arguments import add_settings, data_spec, opened, scan
from engine.cli.output import print_findings, print_json
from engine.errors import EXIT_DONE, EXIT_NO
from engine.findings import Finding, any_fail, worst_first

if TYPE_CHECKING:
    from engine.data.faults import Fault
    from engine.data.formats.layouts import Form
    from engine.data.source import Source

_LAYOUTS = ("messages", "sharegpt", "alpaca", "prompt_completion", "preference", "text")


def configure(subparsers: argparse._SubParsersAction[Any]) -> None:
    convert = subparsers.add_parser(
        "convert", help="write the rows in another layout and container"
    )
    convert.add_argument("file", help="data as for data report")
    convert.add_argument("out", help="file to write, such as rows.jsonl or rows.parquet")
    convert.add_argument(
        "--to", choices=_LAYOUTS, default="messages", help="layout (messages, OpenAI's)"
    )
    convert.add_argument(
        "--register", choices=("llama-factory", "axolotl"), help="make OUT known to this tool too"
    )
    convert.add_argument("--skip-bad-rows", action="store_true", help="leave faulty rows out")
    convert.add_argument("--force", action="store_true", help="replace an existing file")
    add_settings(convert)


def run(args: argparse.Namespace) -> int:
    from engine.data.formats.aside import refuse_existing
    from engine.data.formats.containers import container_of
    from engine.data.formats.layouts import choose_form
    from engine.data.stream import rows_of

    out = Path(args.out)
    refuse_existing(out, force=args.force)
    container_of(out)
    spec = data_spec(args)
    source = opened(spec, scan(spec), plain_text=args.to == "text")
    form = choose_form(args.to, rows_of(source))
    problems, num_rows = _looked_at(source, form, str(out))
    refused = any_fail(problems) and not args.skip_bad_rows
    registered = "" if refused else _write(source, form, out, args)
    result: dict[str, object] = {
        "file": source.path,
        "out": "" if refused else str(out),
        "num_rows": num_rows,
        "num_left_out": source.num_records - num_rows,
    }
    if args.register:
        result["registered"] = registered
    if args.json:
        print_json("data", ok=not refused, data=result, findings=problems)
    else:
        print_findings(problems)
        said = f"Wrote {num_rows} of {source.num_records} rows to {out}."
        print("Nothing was written." if refused else said)
        if registered:
            print(f"Registered for {args.register} in {registered}.")
    return EXIT_NO if refused else EXIT_DONE


def _looked_at(source: Source, form: Form, out: str) -> tuple[list[Finding], int]:
    """Everything that keeps rows or parts of them out, before a byte is written."""
    from engine.data.faults import group_faults
    from engine.data.formats.written import Toll, records_of
    from engine.data.stream import rows_of

    toll = Toll()
    faults: list[Fault] = []
    num_rows = sum(1 for _ in records_of(rows_of(source, faults), form, toll))
    faults.sort(key=lambda fault: fault.record)
    told = [*group_faults(faults, source.path), *source.notes, *toll.findings(form.layout, out)]
    if form.layout == "preference":
        # Said for training, which takes the better answer alone; here both are kept.
        told = [finding for finding in told if finding.id != "data.rejected-answers"]
    return worst_first(told), num_rows


def _write(source: Source, form: Form, out: Path, args: argparse.Namespace) -> str:
    """Write OUT, and what makes it known to another tool; the name of the latter."""
    from engine.data.formats.aside import written_aside
    from engine.data.formats.register import contents_of, registration, registration_file
    from engine.data.formats.written import Toll, write_rows
    from engine.data.stream import rows_of

    if not args.register:
        with written_aside([out]) as (draft,):
            write_rows(rows_of(source), draft, out, form, Toll())
        return ""
    listed = registration_file(args.register, out)
    if args.register == "axolotl":
        from engine.data.formats.aside import refuse_existing

        refuse_existing(listed, force=args.force)
    text = registration(args.register, out, form, contents_of(rows_of(source)), force=args.force)
    with written_aside([out, listed]) as (draft, list_draft):
        write_rows(rows_of(source), draft, out, form, Toll())
        list_draft.write_text(text, encoding="utf-8")
    return str(listed)
