"""Compares estimate and simulation with published peaks, row by row, and times the estimate.

    python -m tests.benchmarks.bench_estimate_rows [ROWS.csv] [--closed]

Without a file of published rows it only times the estimate. `--closed` leaves the simulation out,
which takes some seconds for each distinct row. The rows come from other stacks than the one that is
installed; two of them are described in tests/benchmarks/published as recipes and as loops, from
their sources. All others are listed as not compared. Nothing is fitted to any row.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.memory.budget import GIB
from engine.memory.cards import find_card
from engine.memory.estimate import estimate
from engine.memory.model_shape import read_shape
from engine.spec import DataSpec, ModelSpec, Spec, TrainSpec
from tests.benchmarks.published.rows import CONFIGS, Row, read_rows
from tests.benchmarks.published.tables import (
    Outcome,
    closed_outcome,
    pairs_of,
    print_gaps,
    print_others,
    print_pairs,
    print_stack,
    summary,
)
from tests.benchmarks.published.verdicts import print_verdicts


def main(path: str, *, simulating: bool) -> None:
    rows = read_rows(path)
    compared = [row for row in rows if row.stack and not row.ran_out]
    outcomes = [closed_outcome(row) for row in compared]
    if simulating:
        outcomes = list(_simulated(outcomes))
    for stack in sorted({row.stack for row in compared}):
        print_stack([outcome for outcome in outcomes if outcome.row.stack == stack])
    print("tensors, closed, all compared rows:", summary(o.error for o in outcomes))
    print("tensors, simulated, all compared rows:", summary(o.simulated_error for o in outcomes))
    print()
    print_gaps(outcomes)
    print_pairs(pairs_of(outcomes))
    print_verdicts(rows)
    print_others([row for row in rows if not row.stack])


def _simulated(outcomes: list[Outcome]) -> Iterator[Outcome]:
    """With the simulation's figures; equal settings are executed once."""
    warnings.filterwarnings("ignore")
    from tests.benchmarks.published.simulated import Traced, trace_row

    known: dict[str, Traced] = {}
    for outcome in outcomes:
        key = f"{outcome.row.label} {outcome.row.rank}"
        if key not in known:
            began = time.perf_counter()
            known[key] = trace_row(outcome.row)
            print(f"{time.perf_counter() - began:6.1f} s  {key}", file=sys.stderr, flush=True)
        traced = known[key]
        yield replace(
            outcome,
            simulated=traced.tensors / GIB,
            allocated=traced.allocated / GIB,
            reserved=traced.reserved / GIB,
        )


def outcome_of(cells: dict[str, str]) -> Outcome | None:
    """The closed estimate of a row of a described stack, else None."""
    from tests.benchmarks.published.rows import row_of

    row: Row = row_of(cells)
    return closed_outcome(row) if row.stack and not row.ran_out else None


def _time() -> None:
    shape = read_shape(CONFIGS["mistralai/Mistral-7B-v0.1"])
    specs = list(_specs())
    for spec in specs:
        estimate(shape, spec, 2048, find_card("A100 80GB"))
    times = []
    for spec in specs * 20:
        began = time.perf_counter()
        estimate(shape, spec, 2048, find_card("A100 80GB"))
        times.append((time.perf_counter() - began) * 1e3)
    print(f"time per estimate: median {statistics.median(times):.2f} ms, worst {max(times):.2f} ms")


def _specs() -> Iterator[Spec]:
    base = {"model": ModelSpec(path="m"), "data": DataSpec(path="d")}
    for method in ("lora", "qlora", "full", "freeze"):
        for checkpointing in (True, False):
            train = TrainSpec(method=method, gradient_checkpointing=checkpointing)
            yield Spec(**base, train=train)


if __name__ == "__main__":
    _time()
    words = [word for word in sys.argv[1:] if word != "--closed"]
    if words:
        main(words[0], simulating="--closed" not in sys.argv)
