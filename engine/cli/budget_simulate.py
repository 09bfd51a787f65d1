"""`tailfin budget SPEC --simulate`: the step executed symbolically, beside the estimate."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.findings import Finding

if TYPE_CHECKING:
    from engine.memory.budget import Budget
    from engine.memory.cards import Card
    from engine.memory.simulator import Answer
    from engine.spec import Spec


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--simulate",
        action="store_true",
        help="execute the step symbolically, without weights or a GPU (seconds; needs torch)",
    )


def simulated(config: Mapping[str, object], spec: Spec, length: int, card: Card) -> Answer:
    """Start a worker, have the step simulated, end the worker."""
    from engine.cli.output import note
    from engine.memory.simulator import NoSimulation, Simulator, Wish

    note("Simulating the training step ...")
    simulator = Simulator()
    try:
        found = simulator.answer(Wish(config, spec, length, card))
    finally:
        simulator.close()
    return found or NoSimulation("The simulation was given up.", "The estimate stands.")


def findings_of(answer: Answer) -> list[Finding]:
    """What the simulation leaves out or takes for granted, or why there is none."""
    from engine.memory.simulator import NoSimulation

    if isinstance(answer, NoSimulation):
        return [Finding("budget.simulate", "warn", answer.reason, answer.fix)]
    missing = [
        Finding("budget.not-modelled", "warn", f"Not modelled: {said}")
        for said in answer.not_modelled
    ]
    taken = [Finding("budget.assumption", "info", said) for said in answer.assumptions]
    return [*missing, *taken]


def data_of(answer: Answer, estimated: Budget | None) -> dict[str, object]:
    """What `data` holds besides the simulated budget itself."""
    from engine.cli.budget_data import tier_data
    from engine.memory.simulator import NoSimulation

    beside = tier_data(estimated) if estimated else None
    if isinstance(answer, NoSimulation):
        return {"simulation_problem": {"reason": answer.reason, "fix": answer.fix}}
    return {
        "estimate": beside,
        "not_modelled": list(answer.not_modelled),
        "assumptions": list(answer.assumptions),
        "seconds": answer.seconds,
    }


def lines_of(answer: Answer, estimated: Budget | None) -> list[str]:
    """The estimate beside what was simulated."""
    from engine.memory.simulator import NoSimulation

    if isinstance(answer, NoSimulation):
        return []
    made = answer.budget
    lines = [f"\nSimulated in {answer.seconds:.1f} s."]
    if estimated is not None:
        off = estimated.peak_gib / made.peak_gib - 1
        lines.append(
            f"The estimate says {estimated.peak_gib:.2f} GiB for the process, "
            f"{abs(off):.1%} {'more' if off >= 0 else 'less'}."
        )
    return lines
