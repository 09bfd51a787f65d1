"""`tailfin runs [list|show|where|rm]`: what lies in the runs folders."""

from __future__ import annotations

import argparse
import math
import shutil
import time
from typing import TYPE_CHECKING

from engine.cli.output import print_json
from engine.cli.spec_arguments import add_runs_argument
from engine.data.text import inert
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
        # the base's own figure, measured before the first step, is nothing this run achieved
        "best_eval_loss": best.loss if best and best.step > 0 else None,
        "worker_pid": observed.worker_pid,
    }


def _list(args: argparse.Namespace) -> int:
    from engine.runs.store import all_roots, list_runs

    rows = [_row(run) for run in list_runs(args.runs)]
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
        best = f"held-out {row['best_eval_loss']:.4f}" if row["best_eval_loss"] else ""
        print(f"{inert(str(row['run'])):<27} {row['state']:<9} {steps:>9}  {loss}  {best}".rstrip())
    return 0


def _row(run: RunFolder) -> dict[str, object]:
    """A run's summary; one that cannot be read is a row too and hides no other."""
    from engine.runs.skim import skim
    from engine.runs.state import Observed
    from engine.runs.status import Status

    try:
        return summary(run, skim(run).observed)
    except TailfinError as error:
        row = summary(run, Observed("crashed", error.message, Status(), 0))
        return row | {"state": "unreadable"}


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
        print(f"{key:<15} {inert(str(value)) if value is not None else '-'}")
    if observed.state not in LIVE:
        print(ending(folder, observed))
    return 0


def _remove(args: argparse.Namespace) -> int:
    from engine.runs.store import find_run

    folder = find_run(args.run, args.runs)
    _refuse_a_stranger(folder, args.runs)
    _refuse_at_work(folder)
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


def _refuse_a_stranger(folder: RunFolder, chosen: str | None) -> None:
    """Outside the runs folders only an event log proves that a folder is a run's own."""
    from engine.runs.store import all_roots

    if folder.events.exists():
        return
    if not any(root in folder.path.resolve().parents for root in all_roots(chosen)):
        raise TailfinError(
            f"Nothing was removed: {folder.path} has no events.jsonl and lies in no runs folder.",
            "Remove it by hand if it is yours to remove.",
            where=folder.path,
            exit_code=EXIT_NO,
        )


def _refuse_at_work(folder: RunFolder) -> None:
    """A run and each of its jobs must have ended: their files would go from under them."""
    from engine.runs.lock import holder
    from engine.runs.state import FRESH_S, LIVE, observe
    from engine.runs.store import RunFolder, name_of

    jobs = sorted(folder.jobs.iterdir()) if folder.jobs.is_dir() else []
    for each in (folder, *(RunFolder(path) for path in jobs if path.is_dir())):
        what = f"The job {each.path}" if each.is_job else f"The run {each.id}"
        observed = observe(each)
        locks = (each.worker_lock, each.supervisor_lock) if each.is_job else ()
        if observed.state in LIVE or any(holder(lock) is not None for lock in locks):
            raise TailfinError(
                f"{what} is at work.",
                f"End it first: tailfin stop {name_of(each)}",
                where=each.path,
                exit_code=EXIT_NO,
            )
        age_s = time.time() - observed.status.last_time
        if observed.state == "elsewhere" and age_s < FRESH_S:
            raise TailfinError(
                f"{what} may be at work on another box. {inert(observed.message)}",
                f"End it there, or try again when it was silent for {FRESH_S:.0f} s.",
                where=each.path,
                exit_code=EXIT_NO,
            )
