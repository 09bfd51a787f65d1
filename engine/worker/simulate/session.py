"""A warm simulation session: JSON lines in, JSON lines out, gone when its parent is gone.

In:  {"id", "config": {config.json}, "spec": {}, "length": tokens per row, "card": {}}
Out: {"event": "ready"}  or  {"event": "failed", "message", "hint"}, once
     {"id", "ok": true, "simulation": {engine.memory.simulation.Simulation}, "seconds"}  or
     {"id", "ok": false, "problem": {"message", "hint"}, "seconds"}
`seconds` is what the answer took, without the imports that `ready` waits for.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.errors import EXIT_NO, TailfinError
from engine.memory.cards import Card
from engine.spec import Spec
from engine.worker.lines import Replies, end_with_parent, take_stdout

if TYPE_CHECKING:
    from engine.memory.simulation import Simulation

_NICENESS = 10
_STACK = ("torch", "transformers", "peft", "trl")
# The kernel's choice when memory ends: a figure can be asked for again, a run cannot.
_OOM_SCORE = "800"


class Simulates(Protocol):
    """engine.worker.simulate.answer.simulate."""

    def __call__(
        self, config: dict[str, object], spec: Spec, length: int, card: Card
    ) -> Simulation: ...


@dataclass(frozen=True, slots=True)
class Request:
    """One wish, checked."""

    id: str
    config: dict[str, object]
    spec: Spec
    length: int
    card: Card


def main(argv: list[str]) -> int:
    """`engine.worker simulate`: import the training stack, then answer until stdin ends."""
    replies = Replies(take_stdout())
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    end_with_parent()
    threading.Thread(target=_read, args=(waiting,), name="requests", daemon=True).start()
    _give_way()
    try:
        simulate = _simulate()
    except Exception as error:  # a broken library raises anything while it is imported
        replies.write({"event": "failed", **_told(error)})
        return EXIT_NO
    replies.write({"event": "ready"})
    while True:
        replies.write(answer(waiting.get(), simulate))


def answer(line: bytes, simulate: Simulates) -> dict[str, object]:
    """The reply to one line; a problem is a reply too."""
    began = time.monotonic()
    request_id = ""
    try:
        raw = json.loads(line)
        request_id = str(raw["id"])
        wish = _request(raw)
        made = simulate(wish.config, wish.spec, wish.length, wish.card)
        told: dict[str, object] = {"ok": True, "simulation": json.loads(made.to_json())}
    except Exception as error:
        told = {"ok": False, "problem": _told(error)}
    return {"id": request_id, **told, "seconds": round(time.monotonic() - began, 3)}


def _read(waiting: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        if line.strip():
            waiting.put(line)
    os._exit(0)  # the parent is gone, and there is nothing to save


def _give_way() -> None:
    """Let a training run on this box have the processor and the memory first."""
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(_OOM_SCORE)


def _simulate() -> Simulates:
    try:
        for library in _STACK:
            importlib.import_module(library)
        module = importlib.import_module("engine.worker.simulate.answer")
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("engine."):
            raise TailfinError("The simulation is not ready.", "The estimate stands.") from None
        raise TailfinError(
            f"There is no training stack here: {missing} is not installed.",
            "Install it with: tailfin setup",
        ) from None
    simulate: Simulates = module.simulate
    return simulate


def _request(raw: Mapping[str, object]) -> Request:
    config, card, length = raw["config"], raw["card"], raw["length"]
    if not isinstance(config, dict) or not isinstance(card, dict) or not isinstance(length, int):
        raise ValueError("config, card and length are an object, an object and a whole number")
    if length < 1:
        raise ValueError("length is below 1")
    major, minor = card["capability"]
    return Request(
        str(raw["id"]),
        config,
        Spec.model_validate(raw["spec"]),
        length,
        Card(**{**card, "capability": (major, minor)}),
    )


def _told(error: Exception) -> dict[str, str]:
    """Any failure as message and hint."""
    traceback.print_exception(error)
    if isinstance(error, TailfinError):
        return {"message": error.message, "hint": error.hint}
    first = (str(error).splitlines() or [""])[0][:300]
    return {"message": f"{type(error).__name__}: {first}", "hint": "The estimate stands."}
