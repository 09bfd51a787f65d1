"""A simulation worker without a process: it says what the estimate says, and a little more."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from engine.memory.budget import TENSOR_COMPONENTS, Phase
from engine.memory.cards import Card
from engine.memory.estimate import estimate
from engine.memory.model_shape import read_shape
from engine.memory.simulation import Simulation
from engine.spec import Spec

SECONDS = 3.2
# Beyond the estimate, on each of the tensors' components.
_MORE = 1.01


class ScriptedWorker:
    """Answers every request; `hold` is called before each answer and may block."""

    def __init__(
        self,
        hold: Callable[[], object] = lambda: None,
        problem: tuple[str, str] | None = None,
        more: float = _MORE,
    ) -> None:
        self._hold, self._problem, self._more = hold, problem, more
        self._lines = [b'{"event": "ready"}']
        self.requests: list[Mapping[str, Any]] = []

    def send(self, request: Mapping[str, Any]) -> None:
        self.requests.append(request)
        self._hold()
        told: dict[str, object] = {"id": request["id"], "ok": self._problem is None}
        if self._problem is not None:
            told["problem"] = dict(zip(("message", "hint"), self._problem, strict=True))
        else:
            told["simulation"] = json.loads(self._simulation(request).to_json())
        self._lines.append(json.dumps(told).encode())

    def line(self, timeout_s: float) -> bytes | None:
        return self._lines.pop(0) if self._lines else None

    def wait(self) -> int:
        return 0

    def tail(self) -> str:
        return ""

    def kill(self) -> None: ...

    def close(self) -> None: ...

    def _simulation(self, request: Mapping[str, Any]) -> Simulation:
        card = request["card"]
        made = estimate(
            read_shape(request["config"]),
            Spec.model_validate(request["spec"]),
            request["length"],
            Card(**{**card, "capability": tuple(card["capability"])}),
        )
        phases = tuple(self._a_little_more(phase) for phase in made.phases)
        return Simulation(replace(made, phases=phases, tier="simulate"), (), (), SECONDS)

    def _a_little_more(self, phase: Phase) -> Phase:
        num = len(TENSOR_COMPONENTS)
        tensors = tuple(int(size * self._more) for size in phase.sizes[:num])
        return replace(phase, sizes=(*tensors, *phase.sizes[num:]))
