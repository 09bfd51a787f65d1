"""`tailfin data convert FILE OUT.jsonl`: the rows as OpenAI messages.

With --json the envelope's `data` holds file, out, num_rows, num_left_out.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.data_arguments import add_settings, data_spec, read
from engine.cli.output import print_findings, print_json
from engine.errors import EXIT_DONE, EXIT_NO, TailfinError
from engine.findings import any_fail

if TYPE_CHECKING:
    from engine.data.rows import Row


def configure(subparsers: argparse._SubParsersAction[Any]) -> None:
    convert = subparsers.add_parser(
        "convert", help="write the rows as OpenAI messages, one per line"
    )
    convert.add_argument("file", help="JSON, JSONL, CSV or Parquet")
    convert.add_argument("out", help="file to write, such as rows.jsonl")
    convert.add_argument("--skip-bad-rows", action="store_true", help="leave faulty rows out")
    convert.add_argument("--force", action="store_true", help="replace an existing file")
    add_settings(convert)


def run(args: argparse.Namespace) -> int:
    spec = data_spec(args)
    data = read(spec)
    out = Path(args.out)
    if out.exists() and not args.force:
        raise TailfinError(
            f"{out} exists already.", "Name another file, or add --force.", where=out
        )
    refused = any_fail(data.problems) and not args.skip_bad_rows
    if not refused:
        _write(data.rows, out)
    result: dict[str, object] = {
        "file": data.path,
        "out": "" if refused else str(out),
        "num_rows": len(data.rows),
        "num_left_out": data.num_records - len(data.rows),
    }
    if args.json:
        print_json("data", ok=not refused, data=result, findings=data.problems)
    else:
        print_findings(data.problems)
        said = f"Wrote {len(data.rows)} of {data.num_records} rows to {out}."
        print("Nothing was written." if refused else said)
    return EXIT_NO if refused else EXIT_DONE


def _write(rows: Sequence[Row], out: Path) -> None:
    """Write aside, then rename, so that a full disk leaves no half file under the name."""
    draft = out.with_name(f".{out.name}.partial")
    try:
        with draft.open("w", encoding="utf-8") as file:
            for row in rows:
                record: dict[str, object] = {"messages": row.as_dicts()}
                if row.tools:
                    record["tools"] = json.loads(row.tools)
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        os.replace(draft, out)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise TailfinError(
            f"{out} could not be written: {error.strerror}.",
            "Name a file in a folder that exists, is writable and has room.",
            where=out,
            exit_code=EXIT_NO,
        ) from None
