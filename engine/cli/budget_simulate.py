"""`tailfin budget SPEC --simulate`: the step executed symbolically, beside the estimate."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.cli.output import note
from engine.findings import Finding

if TYPE_CHECKING:
    from engine.memory.budget import Budget
    from engine.memory.cards import Card
    from engine.memory.remedies import Remedy
    from engine.memory.simulator import Answer
    from engine.spec import Spec


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--simulate",
        action="store_true",
        help="execute the step symbolically, without weights or a GPU (seconds; needs torch)",
    )


class Simulating:
    """One warm worker for the step and for the changes that would make it fit."""

    def __init__(self, config: Mapping[str, object], length: int, card: Card) -> None:
        from engine.memory.simulator import Simulator

        self._config, self._length, self._card = config, length, card
        self._simulator = Simulator()

    def step(self, spec: Spec) -> Answer:
        from engine.memory.simulator import NoSimulation

        note("Simulating the training step ...")
        return self._ask(spec) or NoSimulation(
            "The simulation was given up.", "The estimate stands."
        )

    def fixes(self, spec: Spec, found: Sequence[Remedy]) -> list[Remedy]:
        """The changes with their simulated peaks; the estimate's where one cannot be simulated."""
        return [
            self._fix(spec, fix, f"change {n} of {len(found)}") for n, fix in enumerate(found, 1)
        ]

    def _fix(self, spec: Spec, fix: Remedy, which: str) -> Remedy:
        from engine.memory.simulation import Simulation
        from engine.settings import layer, parse_set

        note(f"Simulating {which}: {fix.says} ...")
        before = spec.model_dump(exclude_unset=True)
        changed = layer([("change", parse_set(fix.sets)), ("you", before)]).spec
        answer = self._ask(changed)
        if not isinstance(answer, Simulation):
            return fix
        made = answer.budget
        return replace(fix, peak_gib=made.peak_gib, fits=made.fits, is_tight=made.is_tight)

    def _ask(self, spec: Spec) -> Answer | None:
        from engine.memory.simulator import Wish

        length = spec.data.max_length or self._length
        return self._simulator.answer(Wish(self._config, spec, length, self._card))


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
