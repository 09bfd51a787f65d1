"""`tailfin export RUN --to adapter,merged`: forms that plain peft and transformers load."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.output import print_json
from engine.cli.spec_arguments import add_runs_argument
from engine.errors import TailfinError

if TYPE_CHECKING:
    from engine.export.report import ExportReport


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="id, path or 'last'")
    parser.add_argument(
        "--to", default="adapter", metavar="FORMS", help="adapter, merged or both (adapter)"
    )
    parser.add_argument(
        "--out", metavar="DIR", help="folder that gets adapter/ or merged/ (the run's exports/)"
    )
    parser.add_argument(
        "--dtype",
        choices=["auto", "bfloat16", "float16", "float32"],
        default="auto",
        help="number format of the merged weights (auto: the base's)",
    )
    add_runs_argument(parser)


def run(args: argparse.Namespace) -> int:
    from engine.cli.outcome import see_through
    from engine.export.report import plain, read_report
    from engine.export.start import start_export
    from engine.export.targets import parse_forms
    from engine.runs.store import find_run
    from engine.take_home import copy_here

    forms = parse_forms(args.to)
    if args.dtype != "auto" and "merged" not in forms:
        raise TailfinError(
            "--dtype is about merged weights, which were not asked for.",
            "Leave it out, or add: --to merged",
            where="--dtype",
        )
    folder = find_run(args.run, args.runs)
    out = Path(args.out).expanduser().resolve() if args.out else folder.exports
    job = start_export(folder, forms, out=out, dtype=args.dtype)
    code = see_through(job, as_json=args.json)
    if code:
        return code
    reports = {form: read_report(out / form) for form in forms}
    copies = [copy_here(out / form) for form in forms]
    if args.json:
        exports = {form: {"path": str(out / form)} | plain(r) for form, r in reports.items()}
        data = {"job": str(job.path), "exports": exports, "copy": " && ".join(copies)}
        print_json("export", ok=True, data=data)
        return 0
    for form, report in reports.items():
        print()
        print(_told(out / form, report))
    print("\nTo copy it home, run there:")
    for line in copies:
        print(f"  {line}")
    return 0


def _told(folder: Path, report: ExportReport) -> str:
    parity = report.parity
    mib = sum(file.num_bytes for file in report.files) / 1024**2
    lines = [
        f"{report.form}: {folder} ({mib:.1f} MiB, {report.dtype})",
        f"  Loaded by plain transformers: logits within {parity.max_abs_diff:.2g} of the trained "
        f"model, {parity.kept:.1%} of what training changed kept, "
        f"{parity.greedy_equal} of {parity.num_positions} greedy tokens equal.",
    ]
    return "\n".join(lines + [f"  {note}" for note in report.notes])
