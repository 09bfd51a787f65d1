"""Asks a warm worker for simulations: one at a time, cached, and never an exception.

The worker has torch and this process has not. Whatever goes wrong over there, a stack that is not
installed, a crash, an answer that never comes, is an answer here: `NoSimulation` says why and what
to do.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from engine.data.text import inert
from engine.memory.budget import COMPONENTS, Budget
from engine.memory.cards import Card
from engine.memory.simulation import Simulation
from engine.spec import Spec

# The imports on two busy cores; then one simulation, and one that something newer waits for.
START_S, LIMIT_S, SLOW_S = 180.0, 120.0, 8.0
_EVERY_S = 0.1
# Crashes one after the other; then the stack is broken and not only one model.
_MOST_CRASHES = 3
_MOST_KEPT = 512
_ALIEN = 80
# The worker needs no card: an unseen one lends it no memory, and no library asks for its driver.
_ENV = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
# Settings that decide about steps, rows and files but not about what one step allocates.
_IRRELEVANT = {
    "": ("name", "profile"),
    "model": ("path", "revision", "chat_template"),
    "data": (
        *(
            "path",
            "format",
            "columns",
            "system",
            "max_length",
            "num_proc",
            "max_untrained_share",
            "allow",
        ),
        *("eval_path", "eval_fraction", "eval_max_rows"),
    ),
    "train": (
        *("alpha", "learning_rate", "schedule", "warmup", "epochs", "max_steps", "seed"),
        *("log_every", "loss_on"),
    ),
    "eval": ("every_steps", "at_start", "patience", "min_delta", "keep_best"),
    "save": ("every_steps", "every_minutes"),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be simulated: a model's config.json, a spec, tokens per row, a card."""

    config: Mapping[str, object]
    spec: Spec
    length: int
    card: Card

    @property
    def key(self) -> str:
        """The same for wishes whose step allocates the same."""
        settings = self.spec.model_dump(mode="json")
        for section, names in _IRRELEVANT.items():
            table = settings[section] if section else settings
            for name in names:
                del table[name]
        told = (self.config, settings, self.length, asdict(self.card))
        return json.dumps(told, sort_keys=True, default=str)


@dataclass(frozen=True, slots=True)
class NoSimulation:
    """Why there is none, and what to do about it."""

    reason: str
    fix: str


Answer = Simulation | NoSimulation


class Talks(Protocol):
    """A worker at the other end of two pipes; see engine.runs.warm.WarmWorker."""

    def send(self, request: Mapping[str, object]) -> None: ...
    def line(self, timeout_s: float) -> bytes | None: ...
    def wait(self) -> int: ...
    def tail(self) -> str: ...
    def kill(self) -> None: ...
    def close(self) -> None: ...


def start_worker() -> Talks:
    """`engine.worker simulate`; raises OSError where no process can be started."""
    from engine.runs.launch import worker_command
    from engine.runs.warm import WarmWorker

    return WarmWorker(worker_command("simulate"), _ENV)


class Simulator:
    """Starts its worker with the first question and keeps it warm until `close`.

    `answer` blocks and belongs in a thread; everything else returns at once and may be called
    meanwhile from another.
    """

    def __init__(
        self,
        start: Callable[[], Talks] | None = None,
        *,
        limit_s: float = LIMIT_S,
        slow_s: float = SLOW_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._limit_s, self._slow_s, self._clock = limit_s, slow_s, clock
        self._numbers = itertools.count(1)
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._worker: Talks | None = None
        self._answers: dict[str, Answer] = {}
        self._broken: NoSimulation | None = None
        self._num_crashes = 0
        self._is_superseded = False
        # Counts the closings: a question is of the time before or after one.
        self._closings, self._served = 0, 0

    def known(self, wish: Wish) -> Answer | None:
        """The answer where it was given before, or is the same for every wish."""
        return self._answers.get(wish.key) or self._broken

    def answer(self, wish: Wish) -> Answer | None:
        """Simulate, or say why not; None where it was given up for a newer wish or the end."""
        asked = self._closings
        with self._turn:
            if asked != self._closings:
                return None
            self._served, self._is_superseded = asked, False
            found = self.known(wish) or self._ask(wish)
            if found is not None:
                self._keep(wish, found)
            return found

    def supersede(self) -> None:
        """Something newer waits: what runs too long already is given up."""
        self._is_superseded = True

    def close(self) -> None:
        """End the worker; a later question starts another. What was simulated stays known."""
        with self._lock:
            self._closings += 1
            worker, self._worker = self._worker, None
            self._broken, self._num_crashes = None, 0
        if worker is not None:
            worker.kill()
            threading.Thread(target=worker.close, name="simulator-end", daemon=True).start()

    @property
    def _is_closed(self) -> bool:
        return self._served != self._closings

    def _ask(self, wish: Wish) -> Answer | None:
        """One request to a worker that is there; one that died meanwhile is replaced once."""
        request_id = str(next(self._numbers))
        request = {
            "id": request_id,
            "config": dict(wish.config),
            "spec": wish.spec.model_dump(mode="json"),
            "length": wish.length,
            "card": asdict(wish.card),
        }
        for _ in range(2):
            worker = self._warm()
            if not isinstance(worker, _Ready):
                return worker
            if self._is_superseded:  # while it was being started
                return None
            try:
                worker.talks.send(request)
            except (BrokenPipeError, ValueError):  # it was ended from outside since its last answer
                self._drop()
                continue
            return self._await(worker.talks, request_id)
        return self._crash("was ended as soon as it was started", "")

    def _warm(self) -> _Ready | Answer | None:
        """A worker that has imported what it needs."""
        if self._worker is not None:
            return _Ready(self._worker)
        try:
            worker = (self._start or start_worker)()
        except OSError as error:
            return NoSimulation(
                f"The simulation could not be started: {error.strerror or error}.",
                "Free some memory; the estimate stands.",
            )
        with self._lock:
            if self._is_closed:
                worker.kill()
                return None
            self._worker = worker
        said = self._line(worker, self._clock() + START_S, may_give_up=False)
        if not isinstance(said, dict):
            return said
        if said.get("event") == "ready":
            return _Ready(worker)
        self._drop()
        self._broken = _problem(said)  # the same for every model: no use in asking again
        return self._broken

    def _await(self, worker: Talks, request_id: str) -> Answer | None:
        deadline = self._clock() + self._limit_s
        while True:
            said = self._line(worker, deadline, may_give_up=True)
            if not isinstance(said, dict):
                return said
            if said.get("id") == request_id:
                return self._understood(said)

    def _line(
        self, worker: Talks, deadline: float, *, may_give_up: bool
    ) -> dict[str, object] | Answer | None:
        """The next object it says, or what came of waiting for it."""
        began = self._clock()
        while True:
            try:
                line = worker.line(_EVERY_S)
            except (EOFError, OSError, ValueError):
                return None if self._is_closed else self._died(worker)
            if self._is_closed:
                return None
            if line is not None:
                return self._object(line)
            now = self._clock()
            if may_give_up and self._is_superseded and now - began > self._slow_s:
                self._drop()
                return None
            if now > deadline:
                self._drop()
                return NoSimulation(
                    f"The simulation took longer than {now - began:.0f} s.",
                    "The estimate stands.",
                )

    def _object(self, line: bytes) -> dict[str, object] | Answer:
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(line)
            if isinstance(said, dict):
                return said
        return self._babble(line)

    def _understood(self, said: dict[str, object]) -> Answer:
        if not said.get("ok"):
            self._num_crashes = 0
            return _problem(said.get("problem"))
        try:
            made = _checked(Simulation.from_json(json.dumps(said["simulation"])))
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
            return self._babble(json.dumps(said).encode())
        self._num_crashes = 0
        return made

    def _babble(self, line: bytes) -> NoSimulation:
        said = inert(line[:_ALIEN].decode("utf-8", "replace").strip())
        return self._crash("said what is no answer", said)

    def _died(self, worker: Talks) -> NoSimulation:
        code = worker.wait()
        how = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return self._crash(how, inert(worker.tail()))

    def _crash(self, how: str, last_words: str) -> NoSimulation:
        self._drop()
        self._num_crashes += 1
        hint = f"Its last words: {last_words}" if last_words else "The estimate stands."
        found = NoSimulation(f"The simulation {how}.", hint)
        if self._num_crashes >= _MOST_CRASHES:
            self._broken = found
        return found

    def _keep(self, wish: Wish, found: Answer) -> None:
        if found is self._broken:
            return
        if len(self._answers) >= _MOST_KEPT:
            self._answers.pop(next(iter(self._answers)))
        self._answers[wish.key] = found

    def _drop(self) -> None:
        """End a worker that is of no use any more."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()
            worker.close()


def budget_of(made: Simulation, estimated: Budget | None) -> Budget:
    """The simulated figures with what only the estimate knows: files, and what cannot work."""
    if estimated is None:
        return made.budget
    return replace(made.budget, storage=estimated.storage, findings=estimated.findings)


@dataclass(frozen=True, slots=True)
class _Ready:
    talks: Talks


def _problem(told: object) -> NoSimulation:
    """A problem as the worker told it."""
    table = told if isinstance(told, dict) else {}
    reason = inert(str(table.get("message") or "The simulation gave no reason."))
    return NoSimulation(reason, inert(str(table.get("hint") or "The estimate stands.")))


def _checked(made: Simulation) -> Simulation:
    """The simulation, where every screen and table can draw it; raises ValueError else."""
    phases = made.budget.phases
    if "train" not in {phase.name for phase in phases}:
        raise ValueError("no training phase")
    for phase in phases:
        if len(phase.sizes) != len(COMPONENTS) or not all(type(n) is int for n in phase.sizes):
            raise ValueError("sizes are no bytes per component")
    return made
