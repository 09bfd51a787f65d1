"""Predictions beside measurements: read from real logs, summed up, and used on the next budget."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.memory.calibration import ENOUGH, Comparison, Figure, calibrated, summarise
from engine.memory.cards import Card, find_card
from engine.memory.estimate import estimate
from engine.runs.events import Body, Checkpointed, Plan, Predicted, Rehearsed, Started, Step
from engine.runs.journal import Journal
from engine.runs.measured import comparisons
from engine.runs.store import RunFolder, create_run
from engine.spec import DataSpec, ModelSpec, Spec
from tests.memory.shapes import LLAMA_8B
from tests.process import tailfin

CARD = find_card("RTX 4090")
_SIZES = st.floats(0.01, 100)


def _row(figure: Figure, predicted: float, measured: float, run: str = "a") -> Comparison:
    return Comparison(run, CARD.name, "torch 2.13", "lora", "estimate", figure, predicted, measured)


def _runs(folder: Path, *bodies: tuple[Body, ...]) -> list[RunFolder]:
    runs = []
    for number, events in enumerate(bodies):
        run = create_run(f"r{number}", str(folder))
        journal = Journal(run.events)
        for body in events:
            journal.write(body)
        journal.close()
        runs.append(run)
    return runs


_STARTED = Started(1, "train", "h", "b", 1, versions={"torch": "2.13.0", "trl": "1.16.0"})
_PLAN = Plan(10, 100, 10, 512, 0.0, 1.0, 2, 8, 10, 1, dtype="bfloat16")
_PREDICTED = Predicted("estimate", CARD.name, 10.0, 11.0, 11.5, 1.0, 5.0, 2**30)
_REHEARSED = Rehearsed(True, 2, 512, 1000, 10.5, 11.55, 12.0, 5.0, checkpoint_bytes=2**30)


def _step(number: int, vram: float, reserved: float) -> Step:
    return Step(
        number, 0.1, 1.0, 1.0, 1e-4, 10, 1.0, 1.0, vram_gib=vram, vram_reserved_gib=reserved
    )


def test_every_figure_of_a_run_is_read(tmp_path: Path) -> None:
    checkpoint = Checkpointed(2, "checkpoints/checkpoint-2", 2**29, "steps")
    events = (_STARTED, _PLAN, _PREDICTED, _REHEARSED, _step(1, 9.0, 12.5), checkpoint)
    found = {one.figure: one for one in comparisons(_runs(tmp_path, events))}
    measured = {figure: one.measured_gib for figure, one in found.items()}
    assert measured == {
        "tensors": 10.5, "reserved": 12.5, "process": 12.0, "eval tensors": 5.0, "checkpoint": 0.5,
    }  # fmt: skip
    assert found["tensors"].error == pytest.approx(10 / 10.5 - 1)
    assert found["tensors"].stack == "torch 2.13.0 trl 1.16.0"


def test_only_the_attempt_that_was_foretold_counts(tmp_path: Path) -> None:
    """A resume with half the rows is compared with its own prediction, not the first one's."""
    events = (
        _STARTED, _PLAN, _PREDICTED, _step(1, 9.0, 9.5),
        replace(_STARTED, attempt=2, from_step=1), _PLAN, replace(_PREDICTED, tensors_gib=6.0),
        _step(2, 6.0, 6.5),
    )  # fmt: skip
    found = {one.figure: one for one in comparisons(_runs(tmp_path, events))}
    assert found["tensors"].measured_gib == 6.0 and found["tensors"].error == 0


def test_logs_without_a_prediction_or_readable_lines_have_none(tmp_path: Path) -> None:
    runs = _runs(tmp_path, (_STARTED, _PLAN, _REHEARSED), (_STARTED, _PREDICTED), ())
    with runs[0].events.open("ab") as file:
        file.write(b'{"v":1,"kind":"predicted"\n\xff\xfe')
    assert comparisons([*runs, RunFolder(tmp_path / "gone")]) == []


@given(st.lists(st.tuples(_SIZES, _SIZES), min_size=1, max_size=20))
def test_a_summary_hides_no_miss(pairs: list[tuple[float, float]]) -> None:
    [line] = summarise(_row("tensors", *pair) for pair in pairs)
    errors = [predicted / measured - 1 for predicted, measured in pairs]
    assert line.count == len(pairs)
    assert line.lowest == pytest.approx(min(errors))
    assert abs(line.worst) == pytest.approx(max(map(abs, errors)))
    assert abs(line.bias) <= line.mean + 1e-9 <= abs(line.worst) + 2e-9


def _measured(count: int) -> list[Comparison]:
    figures: dict[Figure, tuple[float, float]] = {
        "tensors": (9.5, 10.0), "reserved": (10.0, 10.4), "process": (10.5, 11.2),
    }  # fmt: skip
    return [
        _row(figure, *sizes, run=f"run-{number}")
        for number in range(count)
        for figure, sizes in figures.items()
    ]


def test_a_card_is_corrected_once_enough_runs_agree() -> None:
    assert calibrated(CARD, _measured(ENOUGH - 1)) == CARD
    assert calibrated(find_card("T4"), _measured(ENOUGH)) == find_card("T4")
    card = calibrated(CARD, _measured(ENOUGH))
    assert card.measured_runs == ENOUGH and card.miss == pytest.approx(0.05)
    assert card.context_gib == pytest.approx(0.8) and card.reserved_share == pytest.approx(0.04)


def test_an_older_stack_says_nothing_about_this_one() -> None:
    older = [replace(one, stack="torch 2.9") for one in _measured(ENOUGH)]
    assert calibrated(CARD, older).measured_runs == ENOUGH
    assert calibrated(CARD, [*older, *_measured(1)]) == CARD


def test_the_budget_uses_it_and_says_so() -> None:
    spec = Spec(model=ModelSpec(path="m"), data=DataSpec(path="d"))
    card = calibrated(CARD, _measured(ENOUGH))
    before, after = (estimate(LLAMA_8B, spec, 512, one).phase("train") for one in (CARD, card))
    assert after.tensor_bytes == before.tensor_bytes
    assert after.size("fragmentation") == int(card.reserved_share * after.tensor_bytes)  # type: ignore[operator]
    assert after.size("context") == int(card.context_gib * 2**30)
    said = [f.message for f in estimate(LLAMA_8B, spec, 512, card).findings]
    assert any("Corrected by 3 runs" in message and "5%" in message for message in said)


def test_a_miss_widens_the_margin_on_a_cpu_too() -> None:
    spec = Spec(model=ModelSpec(path="m"), data=DataSpec(path="d"))
    ram = Card("RAM", 64.0, (0, 0), 0.0, is_gpu=False)
    assert estimate(LLAMA_8B, spec, 512, ram).spread_bytes == 0
    missed = estimate(LLAMA_8B, spec, 512, replace(ram, miss=0.1, measured_runs=3))
    assert missed.spread_bytes == int(0.1 * missed.phase("train").tensor_bytes)


def test_one_command_prints_the_table(tmp_path: Path) -> None:
    nothing = tailfin("budget", "--calibration", cwd=tmp_path)
    assert nothing.returncode == 0 and "No run here" in nothing.stdout
    _runs(tmp_path / "runs", *[(_STARTED, _PLAN, _PREDICTED, _REHEARSED)] * 2)
    words = ("budget", "--calibration", "--runs", str(tmp_path / "runs"))
    text = tailfin(*words, cwd=tmp_path).stdout
    assert "10.00 GiB 10.50 GiB -4.8% too little" in " ".join(text.split())
    data = json.loads(tailfin(*words, "--json", cwd=tmp_path).stdout)["data"]
    assert {one["count"] for one in data["summaries"]} == {2} and len(data["comparisons"]) == 8
