"""`tailfin act RUN save|stop`: ask a live run, and wait for its answer."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from engine.cli.output import print_json
from engine.cli.spec_arguments import add_runs_argument
from engine.errors import EXIT_DONE, EXIT_NO, TailfinError

if TYPE_CHECKING:
    from engine.runs.store import RunFolder


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="id, path or 'last'")
    parser.add_argument(
        "act", choices=["save", "stop"], help="save: checkpoint now; stop: checkpoint and end"
    )
    add_runs_argument(parser)
    parser.add_argument("--wait", type=float, default=120.0, metavar="S", help="seconds to wait")


def run(args: argparse.Namespace) -> int:
    return act(args.run, args.act, args.runs, wait_s=args.wait, as_json=args.json)


def act(wanted: str, name: str, runs: str | None, *, wait_s: float, as_json: bool) -> int:
    """Request an act and report the answer; exit code 1 when the run refused or did not answer."""
    from engine.runs.acts import answer, request
    from engine.runs.state import LIVE, observe
    from engine.runs.store import find_run

    folder = find_run(wanted, runs)
    observed = observe(folder)
    if observed.state not in LIVE:
        raise TailfinError(
            f"The run {folder.id} is not at work: it is {observed.state}.",
            "Call its command again."
            if folder.is_job
            else f"Continue it with: tailfin resume {folder.id}",
            where=folder.path,
            exit_code=EXIT_NO,
        )
    acted = answer(folder, request(folder, name), timeout_s=wait_s)
    ok = acted is not None and acted.ok
    message = acted.message if acted else f"No answer came within {wait_s:g} s; it may still come."
    if ok and name == "stop":
        # A promise to stop is not a checkpoint: a person who copies files next needs the latter.
        ok, message = _see_it_end(folder, wait_s)
    if as_json:
        print_json(
            "stop" if name == "stop" else "act",
            ok=ok,
            data={"run": folder.id, "act": name, "message": message},
        )
    else:
        print(f"{folder.id}: {message}")
    return EXIT_DONE if ok else EXIT_NO


def _see_it_end(folder: RunFolder, wait_s: float) -> tuple[bool, str]:
    """Wait until the run has let go; whether it did, and how it ended."""
    import time

    from engine.runs.lock import holder
    from engine.runs.state import LIVE, Observer

    observer = Observer(folder)
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        observed = observer.look()
        free = all(holder(p) is None for p in (folder.worker_lock, folder.supervisor_lock))
        if observed.state not in LIVE and free:
            return True, f"{observed.state}: {observed.message}"
        time.sleep(0.1)
    return False, f"It is still stopping after {wait_s:g} s."
