"""`tailfin data mask FILE --model MODEL`: rows as the model sees them, token by token.

With --json the envelope's `data` holds the fields of engine.data.token_view.TokenView.
Exit code 1 where a row of the whole set trains nothing or no end token.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine.cli.data_arguments import add_settings, data_spec
from engine.cli.output import print_json
from engine.errors import EXIT_DONE, EXIT_NO

if TYPE_CHECKING:
    from engine.data.token_view import RowTokens, TokenView

_WORST = 3
_LABEL = 9
# Never the only sign: each line begins with the word.
_COLOURS = {"trained": "\x1b[32m", "ignored": "\x1b[2m", "cut": "\x1b[31m"}
_PLAIN = "\x1b[0m"


def configure(subparsers: argparse._SubParsersAction[Any]) -> None:
    mask = subparsers.add_parser(
        "mask", help="show which tokens of a row are trained, ignored or cut"
    )
    mask.add_argument("file", help="data as for data report")
    mask.add_argument("--model", required=True, help="whose tokenizer and template to use")
    mask.add_argument(
        "--line", type=int, action="append", default=[], metavar="N", help="the row at this line"
    )
    mask.add_argument(
        "--worst", type=int, metavar="N", help=f"the N rows that train worst ({_WORST})"
    )
    mask.add_argument("--max-length", type=int, metavar="N", help="cut rows at N tokens")
    mask.add_argument("--ids", action="store_true", help="show the id of every token")
    add_settings(mask)


def run(args: argparse.Namespace) -> int:
    from engine.data.token_view import view_tokens

    spec = data_spec(args, model=args.model, max_length=args.max_length)
    worst = args.worst if args.worst is not None else 0 if args.line else _WORST
    view = view_tokens(spec, lines=args.line, worst=max(worst, 0))
    failed = view.num_untrained > 0 or view.num_endless == view.num_rows
    if args.json:
        print_json("data", ok=not failed, data=asdict(view), findings=[])
    else:
        _print_whole(view)
        coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for row in view.rows:
            _print_row(row, with_ids=args.ids, coloured=coloured)
    return EXIT_NO if failed else EXIT_DONE


def _print_whole(view: TokenView) -> None:
    from engine.data.text import counted

    share = view.num_trained / max(1, view.num_tokens)
    print(f"{counted(view.num_rows, 'row')} by {view.template}, cut at {view.max_length} tokens")
    print(f"tokens      {view.num_tokens:,}, {share:.1%} of them trained")
    print(f"cut         {counted(view.num_cut_rows, 'row')}")
    print(f"untrained   {counted(view.num_untrained, 'row')} without a trained token")
    print(f"no end      {counted(view.num_endless, 'row')} that train no end of an answer")


def _print_row(row: RowTokens, *, with_ids: bool, coloured: bool) -> None:
    from rich.cells import cell_len

    from engine.data.token_view import remarks, token_lines

    place = f"line {row.line}" if row.line else f"record {row.record + 1}"
    print(
        f"\n{place}: {row.num_tokens} tokens, {row.num_trained} trained, {row.num_cut} cut; "
        f"end of the last answer: {row.end}"
    )
    for says in remarks(row):
        print(f"WARN  {says}")
    width = max(shutil.get_terminal_size().columns, 40) - _LABEL - 1
    for state, line in token_lines(row.pieces, width, cell_len, ids=with_ids):
        text = f"{state:<{_LABEL}}{line}"
        print(f"{_COLOURS[state]}{text}{_PLAIN}" if coloured else text)
