"""`tailfin why RUN`: how a run ended, where, and what to do."""

from __future__ import annotations

import argparse

from engine.cli.output import print_json
from engine.cli.spec_arguments import add_runs_argument
from engine.findings import Finding, Severity


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", default="last", help="id, path or 'last'")
    add_runs_argument(parser)


def run(args: argparse.Namespace) -> int:
    from engine.cli.follow import ending, exit_code
    from engine.runs.checkpoints import last_checkpoint
    from engine.runs.state import LIVE, observe
    from engine.runs.store import find_run

    folder = find_run(args.run, args.runs)
    observed = observe(folder)
    status = observed.status
    checkpoint = last_checkpoint(folder.checkpoints)
    failed = status.failed
    live = observed.state in LIVE
    data = {
        "run": folder.id,
        "state": observed.state,
        "message": observed.message,
        "error": failed.error if failed else "",
        "phase": failed.phase if failed else status.stage,
        "step": status.step,
        "last_checkpoint_step": checkpoint.step if checkpoint else 0,
        "hint": failed.hint if failed else "",
        "trace": str(folder.path / failed.trace) if failed and failed.trace else "",
    }
    if args.json:
        notices = [Finding(n.id, _severity(n.severity), n.message, n.fix) for n in status.notices]
        print_json("why", ok=live or exit_code(observed) == 0, data=data, findings=notices)
    else:
        print(ending(folder, observed) if not live else f"{observed.state}: step {status.step}")
        kept = f"step {checkpoint.step} ({checkpoint.path})" if checkpoint else "none yet"
        print(f"  last whole checkpoint: {kept}")
        for notice in status.notices:
            if notice.severity in ("warn", "fail"):
                print(f"  {notice.severity.upper()}: {notice.message} {notice.fix}".rstrip())
    return 0 if live else exit_code(observed)


def _severity(word: str) -> Severity:
    for known in ("ok", "info", "warn", "fail"):
        if word == known:
            return known
    return "info"
