"""`tailfin resume RUN`: continue from the last whole checkpoint; halve after out of memory."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from engine.cli.follow import follow
from engine.cli.output import note, print_json
from engine.cli.spec_arguments import add_runs_argument
from engine.errors import EXIT_NO, TailfinError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", default="last", help="id, path or 'last'")
    add_runs_argument(parser)
    parser.add_argument("--detach", action="store_true", help="start it and return at once")
    parser.add_argument("--force", action="store_true", help="although another host had it lately")
    parser.add_argument(
        "--set", dest="sets", action="append", default=[], metavar="FIELD=VALUE", help="change it"
    )


def run(args: argparse.Namespace) -> int:
    import time

    from engine.runs.checkpoints import last_checkpoint
    from engine.runs.effective import as_changes, effective_spec
    from engine.runs.launch import launch, refuse_if_held, worker_command
    from engine.runs.preflight import preflight
    from engine.runs.resume import plan_resume
    from engine.runs.state import FRESH_S, observe
    from engine.runs.store import find_run
    from engine.settings import flatten, parse_set

    folder = find_run(args.run, args.runs)
    if folder.is_job:
        raise TailfinError(
            f"{folder.id} is a job, not a training.",
            "Call its command again (tailfin export, tailfin eval).",
            where=folder.path,
        )
    refuse_if_held(folder)
    observed = observe(folder)
    status = observed.status
    age_s = time.time() - status.last_time
    if observed.state == "elsewhere" and age_s < FRESH_S and not args.force:
        raise TailfinError(
            f"{observed.message} It may still be running there.",
            "Stop it there first, or wait two minutes, or add --force if that box is gone.",
            where=folder.path,
            exit_code=EXIT_NO,
        )
    asked = dict(flatten(parse_set(args.sets)))
    for path in {"model.path", "data.path", "data.eval_path"} & asked.keys():
        # The worker lives in its run folder: a path from here must not depend on here.
        local = Path(str(asked[path])).expanduser()
        asked[path] = str(local.resolve()) if local.exists() else str(asked[path])
    spec = effective_spec(folder, dict(status.changes))
    changes = as_changes(plan_resume(observed, spec, folder.id, asked))
    # Rows were judged when the run was made; here only that they are still there to be read.
    preflight(
        effective_spec(folder, {**dict(status.changes), **changes}),
        folder.path.parent,
        skip_bad_rows=True,
    )
    checkpoint = last_checkpoint(folder.checkpoints)
    from_step = checkpoint.step if checkpoint else 0
    words = ["--attempt", str(status.attempt + 1), "--changes", json.dumps(changes)]
    words += ["--from-step", str(from_step)]
    launch(folder, worker_command("train", str(folder.path), *words))
    if args.detach and args.json:
        data = {"run": folder.id, "from_step": from_step, "changes": changes}
        print_json("resume", ok=True, data=data)
        return 0
    changed = "".join(f" {path}={value}" for path, value in sorted(changes.items()))
    note(f"Resumed {folder.id} from step {from_step}.{' Changed:' + changed if changed else ''}")
    return 0 if args.detach else follow(folder, as_json=args.json)
