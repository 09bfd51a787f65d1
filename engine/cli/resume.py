"""`tailfin resume RUN`: continue from the last whole checkpoint; halve after out of memory.

With --json --detach the envelope's `data` holds run, from_step and changes (setting -> value as
JSON); with --json alone the run's events are streamed as JSON Lines.
"""

from __future__ import annotations

import argparse

from engine.cli.follow import follow
from engine.cli.output import note, print_json
from engine.cli.spec_arguments import add_runs_argument
from engine.data.text import inert


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", default="last", help="id, path or 'last'")
    add_runs_argument(parser)
    parser.add_argument("--detach", action="store_true", help="start it and return at once")
    parser.add_argument("--force", action="store_true", help="although another host had it lately")
    parser.add_argument(
        "--set", dest="sets", action="append", default=[], metavar="FIELD=VALUE", help="change it"
    )


def run(args: argparse.Namespace) -> int:
    from engine.runs.effective import as_changes
    from engine.runs.resume import prepare_resume, resume_training
    from engine.runs.store import find_run
    from engine.settings import flatten, parse_set

    folder = find_run(args.run, args.runs)
    plan = prepare_resume(folder, dict(flatten(parse_set(args.sets))), force=args.force)
    resume_training(plan)
    changes = as_changes(plan.changes)
    if args.detach and args.json:
        data = {"run": folder.id, "from_step": plan.from_step, "changes": changes}
        print_json("resume", ok=True, data=data)
        return 0
    changed = "".join(f" {path}={value}" for path, value in sorted(changes.items()))
    said = f"Resumed {folder.id} from step {plan.from_step}."
    note(inert(f"{said} Changed:{changed}" if changed else said))
    return 0 if args.detach else follow(folder, as_json=args.json)
