"""Waits for a job this command started, showing it or silently, and says how it ended."""

from __future__ import annotations

import time

from engine.cli.follow import exit_code, follow
from engine.cli.output import note
from engine.errors import EXIT_DONE, TailfinError
from engine.runs.state import LIVE, Observer, log_tail, observe
from engine.runs.store import RunFolder

_EVERY_S = 0.1


def see_through(job: RunFolder, *, as_json: bool) -> int:
    """0 once the job finished, else its exit code; with --json a failure is raised instead.

    Ctrl-C leaves the job running, because it does not belong to this terminal.
    """
    if not as_json:
        code = follow(job)
        return code if observe(job).state == "finished" or code else 1
    observer = Observer(job)
    try:
        while (observed := observer.look()).state in LIVE:
            time.sleep(_EVERY_S)
    except KeyboardInterrupt:
        note(f"Left it running in {job.path}")
        raise
    if observed.state == "finished":
        return EXIT_DONE
    failed = observed.status.failed
    last = (log_tail(job, 1) or ["nothing"])[0]
    raise TailfinError(
        observed.message,
        failed.hint if failed else f"Read {job.worker_log}; it ends with: {last}",
        where=job.path,
        exit_code=exit_code(observed) or 1,
    )
