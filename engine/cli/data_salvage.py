"""`tailfin data salvage FILE OUT.jsonl`: the whole rows of a broken JSON or JSON Lines file.

What could not be read goes to OUT.jsonl.lost, one object per piece: line, byte, reason, text.
With --json the envelope's `data` holds file, out, lost (that file, empty where nothing is lost),
num_rows, num_lost.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.cli.output import print_json
from engine.errors import EXIT_DONE, TailfinError


def configure(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("salvage", help="keep the whole rows of a broken file")
    parser.add_argument("file", help="JSON or JSON Lines, also compressed")
    parser.add_argument("out", help="file to write, such as rows.jsonl")
    parser.add_argument("--force", action="store_true", help="replace existing files")
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="answer as one object"
    )


def run(args: argparse.Namespace) -> int:
    out, lost = Path(args.out), Path(f"{args.out}.lost")
    if out.exists() and os.path.exists(args.file) and os.path.samefile(out, args.file):
        raise TailfinError(
            f"{out} is the broken file itself.",
            "Name another file: nothing is lost then.",
            where=out,
        )
    for path in (out, lost):
        if path.exists() and not args.force:
            raise TailfinError(
                f"{path} exists already.", "Name another file, or add --force.", where=path
            )
    num_rows, num_lost = _write(args.file, out, lost)
    if args.json:
        told = {
            "file": args.file,
            "out": str(out),
            "lost": str(lost) if num_lost else "",
            "num_rows": num_rows,
            "num_lost": num_lost,
        }
        print_json("data", ok=True, data=told, findings=[])
    else:
        print(f"Wrote {num_rows:,} rows to {out}.")
        if num_lost:
            print(f"{num_lost:,} pieces could not be read; they are in {lost} with their reasons.")
    return EXIT_DONE


def _write(source: str, out: Path, lost: Path) -> tuple[int, int]:
    """Write aside, then rename, so that a full disk leaves no half file under the names."""
    from engine.data.salvage import Lost, salvage

    counts = [0, 0]
    drafts = [path.with_name(f".{path.name}.partial") for path in (out, lost)]
    try:
        with drafts[0].open("w", encoding="utf-8") as rows, drafts[1].open("w") as rest:
            for piece in salvage(source):
                is_lost = isinstance(piece, Lost)
                counts[is_lost] += 1
                if isinstance(piece, Lost):
                    rest.write(json.dumps(asdict(piece)) + "\n")
                else:
                    # Half a surrogate pair can only be written as an escape.
                    rows.write(json.dumps(piece) + "\n")
        if counts[1]:
            os.replace(drafts[1], lost)
        os.replace(drafts[0], out)
    except OSError as error:
        raise TailfinError(
            f"{out} could not be written: {error.strerror}.",
            "Check the folder and its disk.",
            where=out,
        ) from None
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    return counts[0], counts[1]
