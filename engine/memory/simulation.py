"""The answer of a simulation: a budget of tier `simulate`, and what it does not know.

Made by `engine.worker.simulate`, which runs in a process of its own with torch; this side has none
and reads the answer as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from engine.findings import Finding
from engine.memory.budget import Budget, Phase
from engine.memory.cards import Card
from engine.memory.storage import Storage


@dataclass(frozen=True, slots=True)
class Simulation:
    """What executing the training step symbolically gave.

    `not_modelled` are the parts of this model or spec that the figures leave out, `assumptions`
    what they take for granted, both as sentences; `seconds` is what it took, imports left out.
    """

    budget: Budget
    not_modelled: tuple[str, ...]
    assumptions: tuple[str, ...]
    seconds: float

    def to_json(self) -> str:
        """One line of JSON that `from_json` reads back equal."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Simulation:
        """Raises ValueError for a text that is no simulation."""
        try:
            told = json.loads(text)
            return cls(
                budget=_budget(told["budget"]),
                not_modelled=tuple(told["not_modelled"]),
                assumptions=tuple(told["assumptions"]),
                seconds=float(told["seconds"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"This is no simulation: {error}") from None


def _budget(told: Mapping[str, Any]) -> Budget:
    card = told["card"]
    return Budget(
        **{
            **told,
            "card": Card(**{**card, "capability": tuple(card["capability"])}),
            "phases": tuple(
                Phase(phase["name"], phase["moment"], tuple(phase["sizes"]))
                for phase in told["phases"]
            ),
            "storage": Storage(**told["storage"]),
            "findings": tuple(Finding(**finding) for finding in told["findings"]),
        }
    )
