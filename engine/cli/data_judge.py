"""`tailfin data judge FILE`: read rows, say good or bad, learn the share of bad ones.

Rows are drawn at random by a fixed seed, or with --suspicious in the order of what the checks
found. Verdicts are appended to FILE.verdicts.jsonl and kept between calls. With --json nothing is
asked and the envelope's `data` holds file, verdicts, num_judged, num_bad, share (null without
verdicts), low, high (the 95 % interval of the share in the whole set).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.data_arguments import add_settings, data_spec, opened, scan
from engine.cli.output import print_json
from engine.errors import EXIT_DONE

if TYPE_CHECKING:
    from engine.data.quality.verdicts import Order
    from engine.data.rows import Row
    from engine.data.source import Source

_CHARS = 1500
_KEYS = "g good, b bad, s skip, q end"


def configure(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("judge", help="read rows and learn the share of bad ones")
    parser.add_argument("file", help="data as for data report")
    parser.add_argument("--rows", type=int, default=50, metavar="N", help="rows to read (50)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (0)")
    parser.add_argument("--suspicious", action="store_true", help="most suspicious rows first")
    parser.add_argument("--verdicts", metavar="OUT", help="where verdicts are kept")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    from engine.data.quality.verdicts import estimate, read_verdicts

    file = Path(args.verdicts or f"{args.file}.verdicts.jsonl")
    if not args.json:
        spec = data_spec(args)
        _ask(args, opened(spec, scan(spec), plain_text=True), file)
    told = estimate(read_verdicts(file))
    if args.json:
        share = told.num_bad / told.num_judged if told.num_judged else None
        data = {
            "file": args.file,
            "verdicts": str(file),
            "num_judged": told.num_judged,
            "num_bad": told.num_bad,
            "share": share,
            "low": told.low,
            "high": told.high,
        }
        print_json("data", ok=True, data=data, findings=[])
    elif told.num_judged:
        print(
            f"{told.num_bad} of {told.num_judged} rows drawn at random are bad: between "
            f"{told.low:.0%} and {told.high:.0%} of all rows (95 %)."
        )
    else:
        print("No row drawn at random has been judged yet.")
    return EXIT_DONE


def _ask(args: argparse.Namespace, source: Source, file: Path) -> None:
    from engine.data.quality import verdicts

    order: Order = "suspicion" if args.suspicious else "sample"
    known = {one.record: one.row for one in verdicts.read_verdicts(file)}
    records = verdicts.draw(source, order, args.seed)[: args.rows]
    for number, row in enumerate(verdicts.rows_in_order(source, records), start=1):
        mark = verdicts.fingerprint(row)
        if known.get(row.record) == mark:
            continue
        _show(row, f"Row {number} of {len(records)}")
        said = _answer()
        if said == "q":
            return
        if said in ("g", "b"):
            verdicts.add_verdict(file, verdicts.Verdict(row.record, mark, said == "b", order))


def _answer() -> str:
    """One of the keys; the end of the input ends the questions."""
    while True:
        print(f"{_KEYS}: ", end="", flush=True)
        line = sys.stdin.readline()
        said = line.strip().lower()[:1]
        if not line:
            print()
            return "q"
        if said and said in "gbsq":
            return said


def _show(row: Row, title: str) -> None:
    from engine.data.faults import places
    from engine.data.text import inert

    print(f"\n{title}, {places([(row.record, row.line)])}")
    for message in row.messages:
        text = (
            message.content if len(message.content) <= _CHARS else message.content[:_CHARS] + "..."
        )
        lines = [inert(line) for line in text.split("\n")]
        print(f"  {message.role:<9} " + "\n            ".join(lines))
