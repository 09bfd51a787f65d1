"""`tailfin why RUN`: how a run ended, how that is known, what is kept, and what to do.

With --json the envelope's `data` holds:
  run, state, kind (finished, stopped, oom, disk, gpu_lost, killed, input, crash, elsewhere, live),
  title, message, error, phase, step, hint, trace (path, empty without one), evidence (lines),
  memory (phase, step, requested_gib, allocated_gib, reserved_gib, limit_gib, others_gib,
  measured_peak_gib; null where memory did not run out, null figures where nobody said), kept,
  last_checkpoint_step, actions (says, changes, command, resumes, predicted_gib, cost), ranked
Exit code 0 for a run at work, finished or stopped, 3 out of memory, 1 for every other ending.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, cast, get_args

from engine.cli.output import print_json
from engine.cli.spec_arguments import add_runs_argument
from engine.data.text import inert
from engine.findings import Finding, Severity

if TYPE_CHECKING:
    from engine.runs.ending import Action, Ending, MemoryFacts
    from engine.runs.status import Status


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", default="last", help="id, path or 'last'")
    add_runs_argument(parser)


def run(args: argparse.Namespace) -> int:
    from engine.cli.follow import exit_code
    from engine.runs.ending import explain_ending
    from engine.runs.state import observe
    from engine.runs.store import find_run

    folder = find_run(args.run, args.runs)
    observed = observe(folder)
    status, failed = observed.status, observed.status.failed
    ending = explain_ending(folder, observed)
    code = 0 if ending.kind == "live" else exit_code(observed)
    if args.json:
        data = {
            "run": folder.id,
            "state": observed.state,
            "error": failed.error if failed else "",
            "phase": failed.phase if failed else status.stage,
            "step": status.step,
            "hint": failed.hint if failed else "",
            "trace": str(folder.path / failed.trace) if failed and failed.trace else "",
            **asdict(ending),
            "actions": [asdict(a) | {"changes": dict(a.changes)} for a in ending.actions],
        }
        notices = [Finding(n.id, _severity(n.severity), n.message, n.fix) for n in status.notices]
        print_json("why", ok=code == 0, data=data, findings=notices)
    else:
        _print(ending, status)
    return code


def _print(ending: Ending, status: Status) -> None:
    print(f"{ending.kind.upper()}: {ending.title}")
    if ending.message != ending.title:
        print(f"  {ending.message}")
    if ending.memory:
        print(f"  {_memory(ending.memory)}")
    for line in ending.evidence:
        print(f"  | {line}")
    for notice in status.notices:
        if notice.severity in ("warn", "fail"):
            print(inert(f"  {notice.severity.upper()}: {notice.message} {notice.fix}".rstrip()))
    print(f"  kept: {ending.kept}")
    for number, action in enumerate(ending.actions):
        print(f"  {'or' if number else 'do'}: {action.says}{_price(action)}")
        print(f"      {action.command}")


def _memory(facts: MemoryFacts) -> str:
    """The figures that are known, in one line of GiB."""
    named = (
        ("asked for", facts.requested_gib),
        ("in tensors", facts.allocated_gib),
        ("reserved", facts.reserved_gib),
        ("limit", facts.limit_gib),
        ("other processes", facts.others_gib),
        ("highest peak logged", facts.measured_peak_gib or None),
    )
    known = [f"{name} {_size(gib)}" for name, gib in named if gib is not None]
    return f"Memory: {', '.join(known)}" if known else "How much was asked for is not known."


def _price(action: Action) -> str:
    parts = []
    if action.predicted_gib is not None:
        parts.append(f"{_size(action.predicted_gib)} by the estimate")
    if action.cost not in ("", "none"):
        parts.append(f"costs {action.cost}")
    return f" ({', '.join(parts)})" if parts else ""


def _size(gib: float) -> str:
    return f"{gib:.2f} GiB" if gib >= 1 else f"{gib * 1024:.1f} MiB"


def _severity(word: str) -> Severity:
    for known in get_args(Severity):
        if word == known:
            return cast("Severity", known)
    return "info"
