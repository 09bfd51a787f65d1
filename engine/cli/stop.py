"""`tailfin stop RUN`: checkpoint and end."""

from __future__ import annotations

import argparse

from engine.cli.act import act
from engine.cli.spec_arguments import add_runs_argument


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="id, path or 'last'")
    add_runs_argument(parser)
    parser.add_argument("--wait", type=float, default=120.0, metavar="S", help="seconds to wait")


def run(args: argparse.Namespace) -> int:
    return act(args.run, "stop", args.runs, wait_s=args.wait, as_json=args.json)
