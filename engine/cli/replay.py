"""`tailfin replay RUN`: a recorded run, event by event, at a chosen speed."""

from __future__ import annotations

import argparse
import sys
import time

from engine.cli.follow import Printer, ending
from engine.cli.screen_arguments import add_screen_arguments
from engine.cli.spec_arguments import add_runs_argument


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", nargs="?", default="sample", help="id, path, 'last', or 'sample' for the bundled one"
    )
    add_runs_argument(parser)
    add_screen_arguments(parser)
    parser.add_argument(
        "--speed", type=float, default=20.0, metavar="X", help="times real time; 0: all at once"
    )


def run(args: argparse.Namespace) -> int:
    from engine.bundled import bundled
    from engine.runs.events import encode
    from engine.runs.reader import read_all
    from engine.runs.state import observe
    from engine.runs.store import RunFolder, find_run

    recorded = bundled("samples") / "run"
    folder = RunFolder(recorded) if args.run == "sample" else find_run(args.run, args.runs)
    printer, before = Printer(), 0.0
    for event in read_all(folder.events):
        if args.speed > 0 and before:
            time.sleep(max(0.0, event.time - before) / args.speed)
        before = event.time
        if args.json:
            sys.stdout.write(encode(event).decode("utf-8"))
        else:
            printer.show(event)
        sys.stdout.flush()
    if not args.json:
        printer.end_line()
        print(ending(folder, observe(folder)))
    return 0
