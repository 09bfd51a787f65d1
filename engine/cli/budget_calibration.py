"""`tailfin budget --calibration`: what was foretold of the runs here beside what they measured."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from engine.cli.output import print_json
from engine.errors import EXIT_DONE

if TYPE_CHECKING:
    from engine.memory.calibration import Comparison, Summary

# A prediction this much too small could have let a run start that does not fit.
_MISS = 0.03


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--calibration",
        action="store_true",
        help="show predictions beside measurements of all runs here, with their errors",
    )


def run(args: argparse.Namespace) -> int:
    """`data`: comparisons (run, device, stack, setting, tier, figure, predicted_gib, measured_gib,
    error) and summaries (device, stack, figure, count, mean, bias, worst, lowest), as shares.
    """
    from engine.memory.calibration import summarise
    from engine.runs.measured import comparisons
    from engine.runs.store import list_runs

    found = comparisons(list_runs(args.runs))
    summaries = summarise(found)
    if args.json:
        rows = [{**asdict(one), "error": one.error} for one in found]
        data = {"comparisons": rows, "summaries": [asdict(one) for one in summaries]}
        print_json("budget", ok=True, data=data)
    else:
        print("\n".join(_lines(found, summaries)))
    return EXIT_DONE


def _lines(found: Sequence[Comparison], summaries: Sequence[Summary]) -> Iterator[str]:
    if not found:
        yield "No run here has both a prediction and a measurement yet; every new run gets them."
        return
    yield f"{'run':<34} {'setting':<26} {'figure':<13}{'foretold':>10}{'measured':>10}{'error':>8}"
    for one in found:
        miss = "  too little" if one.error < -_MISS else ""
        yield (
            f"{one.run[:34]:<34} {one.setting[:26]:<26} {one.figure:<13}"
            f"{_size(one.predicted_gib):>10}{_size(one.measured_gib):>10}{one.error:>+8.1%}{miss}"
        )
    device = ""
    for line in summaries:
        place = f"{line.device}, {line.stack}"
        if place != device:
            device = place
            yield f"\n{place}"
        yield (
            f"  {line.figure:<13}{line.count:>4} runs  mean error {line.mean:.1%}  "
            f"bias {line.bias:+.1%}  worst {line.worst:+.1%}"
        )


def _size(gib: float) -> str:
    return f"{gib:.2f} GiB" if gib >= 1 else f"{gib * 1024:.1f} MiB"
