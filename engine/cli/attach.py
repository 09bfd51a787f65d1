"""`tailfin attach RUN`: its whole history, then what happens, until it ends or Ctrl-C."""

from __future__ import annotations

import argparse

from engine.cli.follow import follow
from engine.cli.screen_arguments import add_screen_arguments
from engine.cli.spec_arguments import add_runs_argument


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", default="last", help="id, path or 'last'")
    add_runs_argument(parser)
    add_screen_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from engine.runs.store import find_run

    return follow(find_run(args.run, args.runs), as_json=args.json)
