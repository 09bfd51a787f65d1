"""The warm simulation worker from outside: whatever it does, there is an answer in words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.memory.cards import Card, find_card
from engine.memory.estimate import estimate
from engine.memory.model_shape import read_shape
from engine.memory.simulation import Simulation
from engine.memory.simulator import NoSimulation, Simulator, Wish
from engine.runs.warm import WarmWorker
from engine.settings import layer
from engine.spec import Spec
from tests.memory.shapes import LLAMA_8B_CONFIG

CARD = find_card("A100-80GB")
# A worker of a few lines: `said` is what it writes for each request it reads.
_WORKER = """
import json, os, sys, time
print(json.dumps({{"event": "ready"}}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
{said}
"""


def spec_of(**settings: object) -> Spec:
    train = {"model": {"path": "m"}, "data": {"path": "d"}, **settings}
    return layer([("test", train)]).spec


def wish_of(length: int = 512, spec: Spec | None = None, card: Card = CARD) -> Wish:
    return Wish(LLAMA_8B_CONFIG, spec or spec_of(), length, card)


def _simulation(length: int = 512) -> Simulation:
    made = estimate(read_shape(LLAMA_8B_CONFIG), spec_of(), length, CARD)
    return Simulation(replace(made, tier="simulate"), ("experts",), ("zero dropout",), 2.5)


@pytest.fixture
def simulators() -> Iterator[Callable[..., Simulator]]:
    """Makes simulators whose worker runs a few lines of Python; ends them afterwards."""
    made: list[Simulator] = []

    def make(said: str, *, limit_s: float = 60.0, slow_s: float = 60.0) -> Simulator:
        program = _WORKER.format(said=textwrap.indent(textwrap.dedent(said), "    "))
        command = [sys.executable, "-c", program]
        simulator = Simulator(lambda: WarmWorker(command), limit_s=limit_s, slow_s=slow_s)
        made.append(simulator)
        return simulator

    yield make
    for one in made:
        one.close()


@pytest.fixture
def answering(simulators: Callable[..., Simulator], tmp_path: Path) -> Simulator:
    """Its worker answers each request with the same simulation and counts them in a file."""
    (tmp_path / "answer").write_text(_simulation().to_json())
    return simulators(f"""
        with open({str(tmp_path / "asked")!r}, "a") as asked:
            print(request["length"], os.getpid(), file=asked)
        made = json.load(open({str(tmp_path / "answer")!r}))
        told = {{"id": request["id"], "ok": True, "simulation": made, "seconds": 2.5}}
        print(json.dumps(told), flush=True)
    """)


def _pids(tmp_path: Path) -> list[int]:
    return [int(line.split()[1]) for line in (tmp_path / "asked").read_text().splitlines()]


def test_an_answer_is_the_simulation_and_is_asked_for_once(
    answering: Simulator, tmp_path: Path
) -> None:
    assert answering.known(wish_of()) is None
    assert answering.answer(wish_of()) == _simulation()
    same = wish_of(spec=spec_of(train={"learning_rate": 1e-3, "epochs": 1}, name="other"))
    assert answering.known(same) == answering.answer(same) == _simulation()
    answering.answer(wish_of(1024))
    pids = _pids(tmp_path)
    assert len(pids) == 2 and len(set(pids)) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"train": {"micro_batch": 4}},
        {"train": {"gradient_checkpointing": False}},
        {"train": {"accumulation": 1}},
        {"train": {"optimizer": "sgd"}},
        {"model": {"path": "m", "attention": "eager"}},
        {"data": {"path": "d", "packing": True}},
        {"eval": {"micro_batch": 8}},
    ],
)
def test_what_changes_the_memory_is_another_question(settings: dict[str, object]) -> None:
    assert wish_of(spec=spec_of(**settings)).key != wish_of().key
    assert wish_of(card=replace(CARD, taken_gib=1.0)).key != wish_of().key


def test_a_worker_that_was_killed_while_it_waited_is_replaced(
    answering: Simulator, tmp_path: Path
) -> None:
    answering.answer(wish_of())
    first = psutil.Process(_pids(tmp_path)[0])
    first.kill()
    psutil.wait_procs([first], 10)
    assert answering.answer(wish_of(1024)) == _simulation()
    assert len(set(_pids(tmp_path))) == 2


def test_a_worker_killed_at_work_is_an_answer_in_words(
    simulators: Callable[..., Simulator],
) -> None:
    simulator = simulators("os.kill(os.getpid(), 9)")
    found = simulator.answer(wish_of())
    assert found == NoSimulation(
        f"The simulation ended by signal {int(signal.SIGKILL)}.", "The estimate stands."
    )
    assert simulator.known(wish_of()) == found  # not tried again with every key


def test_a_worker_that_breaks_says_its_last_words(simulators: Callable[..., Simulator]) -> None:
    found = simulators('raise RuntimeError("the tail \\x1b[31m")').answer(wish_of())
    assert isinstance(found, NoSimulation)
    assert found.reason == "The simulation ended with exit code 1."
    assert "RuntimeError: the tail" in found.fix and "\x1b" not in found.fix


def test_what_breaks_for_every_model_is_not_started_for_ever(
    simulators: Callable[..., Simulator], tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    simulator = simulators(f'open({str(starts)!r}, "a").write("x"); os._exit(7)')
    said = [simulator.answer(wish_of(length)) for length in range(1, 9)]
    assert len(starts.read_text()) == 3
    assert all(isinstance(one, NoSimulation) for one in said)
    simulator.close()
    simulator.answer(wish_of(99))
    assert len(starts.read_text()) == 4


@pytest.mark.parametrize(
    "said",
    [
        'print("null", flush=True)',
        'print("Loading weights: 100%", flush=True)',
        'print("[" * 100000, flush=True)',
        'sys.stdout.buffer.write(b"\\xff\\xfe\\n"); sys.stdout.flush()',
        'print(json.dumps({"id": request["id"], "ok": True}), flush=True)',
        'print(json.dumps({"id": request["id"], "ok": True, "simulation": {}}), flush=True)',
    ],
)
def test_babble_is_named(simulators: Callable[..., Simulator], said: str) -> None:
    found = simulators(said).answer(wish_of())
    assert isinstance(found, NoSimulation)
    assert found.reason == "The simulation said what is no answer."


def test_a_problem_is_handed_on(simulators: Callable[..., Simulator]) -> None:
    simulator = simulators("""
        problem = {"message": "rwkv is not modelled.", "hint": "Rehearse it."}
        print(json.dumps({"id": "of an earlier one", "ok": False}))
        print(json.dumps({"id": request["id"], "ok": False, "problem": problem}), flush=True)
    """)
    assert simulator.answer(wish_of()) == NoSimulation("rwkv is not modelled.", "Rehearse it.")


def test_what_takes_too_long_is_ended(simulators: Callable[..., Simulator]) -> None:
    found = simulators("time.sleep(600)", limit_s=0.3).answer(wish_of())
    assert isinstance(found, NoSimulation)
    assert found.reason.startswith("The simulation took longer than")


def test_something_newer_ends_what_is_slow(
    simulators: Callable[..., Simulator], tmp_path: Path
) -> None:
    (tmp_path / "answer").write_text(_simulation().to_json())
    simulator = simulators(
        f"""
        open({str(tmp_path / "begun")!r}, "a").write("x")
        if request["length"] == 1:
            time.sleep(600)
        made = json.load(open({str(tmp_path / "answer")!r}))
        print(json.dumps({{"id": request["id"], "ok": True, "simulation": made}}), flush=True)
        """,
        slow_s=0.1,
    )
    given: list[object] = []
    asking = threading.Thread(target=lambda: given.append(simulator.answer(wish_of(1))))
    asking.start()
    _wait((tmp_path / "begun").exists)
    simulator.supersede()
    asking.join(20)
    assert given == [None]
    assert simulator.known(wish_of(1)) is None
    assert simulator.answer(wish_of(2)) == _simulation()


def test_closing_ends_the_worker_and_whoever_waits(
    simulators: Callable[..., Simulator], tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    simulator = simulators(f'open({str(file)!r}, "w").write(str(os.getpid())); time.sleep(600)')
    given: list[object] = []
    asking = [
        threading.Thread(target=lambda n=n: given.append(simulator.answer(wish_of(n))))
        for n in (1, 2)
    ]
    for thread in asking:
        thread.start()
    _wait(lambda: file.exists() and bool(file.read_text()))
    worker = psutil.Process(int(file.read_text()))
    simulator.close()
    for thread in asking:
        thread.join(20)
    assert given == [None, None]
    _wait(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


def test_no_process_at_all_is_an_answer() -> None:
    def start() -> WarmWorker:
        raise OSError(12, "Cannot allocate memory")

    found = Simulator(start).answer(wish_of())
    assert isinstance(found, NoSimulation) and "Cannot allocate memory" in found.reason


def test_without_a_training_stack_the_fix_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = 'raise ModuleNotFoundError("No module named \'torch\'", name="torch")'
    (tmp_path / "torch.py").write_text(absent)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    simulator = Simulator()
    found = simulator.answer(wish_of())
    simulator.close()
    assert found == NoSimulation(
        "There is no training stack here: torch is not installed.",
        "Install it with: tailfin setup",
    )


def test_a_stack_that_breaks_on_import_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text('raise OSError("libcudart.so.12: cannot open")')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    simulator = Simulator()
    found = simulator.answer(wish_of())
    assert isinstance(found, NoSimulation)
    assert "libcudart.so.12" in found.reason
    assert simulator.answer(wish_of(9)) is found
    simulator.close()


def test_the_real_worker_takes_no_part_of_a_card_and_ends_with_its_parent(
    tmp_path: Path,
) -> None:
    """Killed, the parent closes its end of the pipe; so the worker's reading ends."""
    (tmp_path / "torch.py").write_text("import time; time.sleep(600)")
    script = """
import json, os, sys
from engine.memory.simulator import start_worker
worker = start_worker()
print(worker.pid, flush=True)
worker.line(600)
"""
    env = {**os.environ, "PYTHONPATH": f"{Path(__file__).parents[2]}:{tmp_path}"}
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=env)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    _wait(lambda: child.environ().get("CUDA_VISIBLE_DEVICES") == "")
    assert child.environ()["OMP_NUM_THREADS"] == "1"
    parent.kill()
    parent.wait()
    _wait(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    parent.stdout.close()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["id", "ok", "simulation", "problem", "budget"]), inner)
    ),
    max_leaves=8,
)


class _Says:
    """A worker that says ready and then one line."""

    def __init__(self, line: bytes) -> None:
        self._lines = [b'{"event": "ready"}', line]

    def send(self, request: object) -> None: ...
    def line(self, timeout_s: float) -> bytes | None:
        if not self._lines:
            raise EOFError
        return self._lines.pop(0)

    def wait(self) -> int:
        return 0

    def tail(self) -> str:
        return ""

    def kill(self) -> None: ...
    def close(self) -> None: ...


@given(_JSON)
def test_no_answer_whatever_raises(said: object) -> None:
    simulator = Simulator(lambda: _Says(json.dumps(said).encode()))
    assert isinstance(simulator.answer(wish_of()), NoSimulation)


def test_the_worker_answers_every_line() -> None:
    from engine.worker.simulate.session import answer

    def simulate(config: dict[str, object], spec: Spec, length: int, card: Card) -> Simulation:
        assert (config, spec, card) == (LLAMA_8B_CONFIG, spec_of(), CARD)
        if length == 13:
            raise RuntimeError("no such operation")
        return _simulation(length)

    def told(**changed: object) -> dict[str, object]:
        wish = wish_of()
        request = {
            "id": "7",
            "config": wish.config,
            "spec": wish.spec.model_dump(mode="json"),
            "length": 256,
            "card": asdict(wish.card),
        }
        return answer(json.dumps({**request, **changed}).encode(), simulate)

    good = told()
    assert good["id"] == "7" and good["ok"] is True
    assert Simulation.from_json(json.dumps(good["simulation"])) == _simulation(256)
    wrong: list[dict[str, object]] = [
        {"length": 13},
        {"length": 0},
        {"config": []},
        {"card": {"name": "x"}},
        {"spec": {"train": 5}},
    ]
    for changed in wrong:
        bad = told(**changed)
        assert (bad["id"], bad["ok"]) == ("7", False)
        problem = bad["problem"]
        assert isinstance(problem, dict) and problem["message"] and problem["hint"]
    assert answer(b"[]", simulate)["ok"] is False


def _wait(wanted: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.02)
