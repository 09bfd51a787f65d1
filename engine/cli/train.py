"""`tailfin train`: check everything, make the run folder, start it detached, follow it."""

from __future__ import annotations

import argparse

from engine.cli.follow import follow
from engine.cli.output import note, print_findings, print_json
from engine.cli.spec_arguments import add_runs_argument, add_spec_arguments, resolve_spec


def configure(parser: argparse.ArgumentParser) -> None:
    add_spec_arguments(parser)
    add_runs_argument(parser)
    parser.add_argument("--detach", action="store_true", help="start it and return at once")
    parser.add_argument(
        "--skip-bad-rows", action="store_true", help="train on the good rows of a faulty file"
    )


def run(args: argparse.Namespace) -> int:
    import sys

    from engine.runs.create import start_training
    from engine.runs.preflight import preflight
    from engine.runs.store import runs_root

    resolved = resolve_spec(args)
    checked = preflight(resolved.spec, runs_root(args.runs), skip_bad_rows=args.skip_bad_rows)
    if not args.json:
        print_findings(checked.findings, sys.stderr)
    started = start_training(resolved, args.runs)
    if args.detach:
        if args.json:
            data = {"run": started.id, "path": str(started.path)}
            print_json("train", ok=True, data=data, findings=checked.findings)
        else:
            print(f"Started {started.id} in {started.path}")
            print(f"Follow it: tailfin attach {started.id}")
        return 0
    note(f"Run {started.id} in {started.path} (Ctrl-C leaves it running)")
    return follow(started, as_json=args.json)
