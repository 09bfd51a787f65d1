"""What the simulation says of the settings as they are, or why it says nothing yet."""

from __future__ import annotations

from engine.memory.budget import Budget
from engine.memory.simulation import Simulation
from engine.memory.simulator import NoSimulation, Wish
from tui.draft import Draft
from tui.widgets.memory_bar import tiers


def simulated_said(need: Budget, draft: Draft, wish: Wish | None, *, is_under_way: bool) -> str:
    """The three tiers of the worst moment, and where they are from.

    `Simulated: tensors 7.31, reserved 7.60, process 7.90 GiB, in 3 s.`
    """
    found = draft.simulator.known(wish) if wish is not None else None
    if isinstance(found, Simulation):
        missing = ", ".join(found.not_modelled)
        rest = f" Not modelled: {missing}." if missing else ""
        return f"Simulated: {tiers(need)}, in {found.seconds:.0f} s.{rest}"
    if isinstance(found, NoSimulation):
        return f"Estimate: {tiers(need)}. {found.reason} {found.fix}"
    return f"Estimate: {tiers(need)}{'; simulating ...' if is_under_way else '.'}"
