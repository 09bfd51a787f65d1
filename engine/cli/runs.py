"""`tailfin runs [list|show|where|rm]`: what lies in the runs folders."""

from __future__ import annotations

import argparse
import math
import shutil
from typing import TYPE_CHECKING

from engine.cli.output import print_json
from engine.cli.spec_arguments import add_runs_argument
from engine.errors import EXIT_NO, TailfinError

if TYPE_CHECKING:
    from engine.runs.state import Observed
    from engine.runs.store import RunFolder


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", default="list", choices=["list", "show", "where", "rm"])
    parser.add_argument("run", nargs="?", help="id, path or 'last' (show, rm)")
    add_runs_argument(parser)
    parser.add_argument("--yes", action="store_true", help="remove without asking (rm)")


def run(args: argparse.Namespace) -> int:
    if args.what == "list":
        return _list(args)
    if args.what == "where":
        return _where(args)
    if args.run is None:
        raise TailfinError(f"runs {args.what} needs a run.", "Name one: tailfin runs list")
    return _show(args) if args.what == "show" else _remove(args)


def summary(run: RunFolder, observed: Observed) -> dict[str, object]:
    """A run in one flat table, as `--json` prints it. Losses are null where there is none."""
    status = observed.status
    best = status.best
    last = status.steps[-1].loss if status.steps else math.nan
    return {
        "run": run.id,
        "path": str(run.path),
        "state": observed.state,
        "message": observed.message,
        "step": status.step,
        "max_steps": status.plan.max_steps if status.plan else 0,
        "attempt": status.attempt,
        "stage": status.stage,
        "last_loss": last if math.isfinite(last) else None,
        "best_eval_loss": best.loss if best else None,
        "worker_pid": observed.worker_pid,
    }


def _list(args: argparse.Namespace) -> int:
    from engine.runs.state import observe
    from engine.runs.store import all_roots, list_runs

    rows = [summary(run, observe(run)) for run in list_runs(args.runs)]
    if args.json:
        roots = [str(root) for root in all_roots(args.runs)]
        print_json("runs", ok=True, data={"runs": rows, "roots": roots})
        return 0
    if not rows:
        print("No runs yet. Start one: tailfin train --model M --data F, or tailfin demo")
        return 0
    for row in rows:
        steps = f"{row['step']}/{row['max_steps']}" if row["max_steps"] else "-"
        loss = f"loss {row['last_loss']:.4f}" if row["last_loss"] is not None else ""
        best = f"best held-out {row['best_eval_loss']:.4f}" if row["best_eval_loss"] else ""
        print(f"{row['run']:<36} {row['state']:<9} {steps:>11}  {loss}  {best}".rstrip())
    return 0


def _where(args: argparse.Namespace) -> int:
    from engine.runs.store import all_roots, runs_root

    root = runs_root(args.runs)
    if args.json:
        others = [str(path) for path in all_roots(args.runs)]
        print_json("runs", ok=True, data={"root": str(root), "roots": others})
    else:
        print(root)
    return 0


def _show(args: argparse.Namespace) -> int:
    from engine.cli.follow import ending
    from engine.runs.state import LIVE, observe
    from engine.runs.store import find_run

    folder = find_run(args.run, args.runs)
    observed = observe(folder)
    row = summary(folder, observed)
    if args.json:
        print_json("runs", ok=True, data=row)
        return 0
    for key, value in row.items():
        print(f"{key:<15} {value if value is not None else '-'}")
    if observed.state not in LIVE:
        print(ending(folder, observed))
    return 0


def _remove(args: argparse.Namespace) -> int:
    from engine.runs.state import LIVE, observe
    from engine.runs.store import find_run

    folder = find_run(args.run, args.runs)
    if observe(folder).state in LIVE:
        raise TailfinError(
            f"The run {folder.id} is at work.",
            f"End it first: tailfin stop {folder.id}",
            where=folder.path,
            exit_code=EXIT_NO,
        )
    if not args.yes:
        raise TailfinError(
            f"Nothing was removed: {folder.path} would go with its checkpoints and exports.",
            f"To remove it: tailfin runs rm {folder.id} --yes",
            where=folder.path,
            exit_code=EXIT_NO,
        )
    shutil.rmtree(folder.path)
    if args.json:
        print_json("runs", ok=True, data={"removed": folder.id})
    else:
        print(f"Removed {folder.path}")
    return 0
