"""The rehearsal measures the longest rows, leaves no trace in the training, and says no early."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from engine.bundled import bundled
from engine.runs.create import write_spec
from engine.runs.ending import explain_ending
from engine.runs.state import Observed, observe
from engine.runs.store import RunFolder, create_run
from engine.settings import layer
from engine.worker.train import main
from engine.worker.virtual_vram import ENVIRONMENT

pytestmark = pytest.mark.timeout(240)


def _create(folder: Path, train: dict[str, object], **sections: dict[str, object]) -> RunFolder:
    spec: dict[str, Any] = {
        "profile": "cpu-demo",
        "model": {"path": str(bundled("samples") / "model")},
        "data": {"path": str(bundled("samples") / "good.jsonl"), "eval_max_rows": 8},
        "train": {"max_steps": 3, "micro_batch": 4, "accumulation": 2} | train,
        "eval": {"every_steps": 3},
        "save": {"every_minutes": 0},
    }
    for name, values in sections.items():
        spec[name] = spec[name] | values
    run = create_run("test", str(folder / "runs"))
    write_spec(run, layer([("test", spec)]))
    return run


def _train(run: RunFolder, *words: str) -> Observed:
    main([str(run.path), *words])
    return observe(run)


def _told(observed: Observed) -> list[tuple[float, ...]]:
    """What the log says of each step and evaluation, clocks left out."""
    steps = [(s.step, s.loss, s.grad_norm, s.learning_rate, s.tokens, s.accuracy, s.entropy)
             for s in observed.status.steps]  # fmt: skip
    return [*steps, *((e.step, e.loss, e.accuracy) for e in observed.status.evals)]


@pytest.mark.parametrize(
    "train",
    [
        {"dropout": 0.1},
        {"accumulation": 1, "optimizer": "adamw_8bit", "dora": True},
        {"optimizer": "paged_adamw_32bit", "method": "qlora", "weight_decay": 0.1},
        pytest.param({"optimizer": "paged_adamw_8bit"}, marks=pytest.mark.slow),
        pytest.param({"optimizer": "lion_8bit"}, marks=pytest.mark.slow),
        pytest.param({"optimizer": "adafactor", "method": "freeze"}, marks=pytest.mark.slow),
        {"optimizer": "sgd", "weight_decay": 0.1, "method": "full"},
        pytest.param({"method": "full", "gradient_checkpointing": True}, marks=pytest.mark.slow),
    ],
    ids=lambda train: "-".join(map(str, train.values())),
)
def test_a_run_is_the_same_to_the_bit_with_and_without(
    tmp_path: Path, train: dict[str, object]
) -> None:
    weights, told = [], []
    for rehearse in (False, True):
        run = _create(tmp_path / str(rehearse), train | {"rehearse": rehearse})
        observed = _train(run)
        assert observed.state == "finished", observed.message
        assert (observed.status.rehearsed is not None) is rehearse
        told.append(_told(observed))
        [file] = (run.checkpoints / "checkpoint-3").glob("*model.safetensors")
        weights.append(load_file(file))
    assert told[0] == told[1]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_resumed_run_is_the_same_too(tmp_path: Path) -> None:
    """Optimizer states came with the checkpoint: they are neither stepped nor dropped."""
    weights, told = [], []
    for rehearse in (False, True):
        train: dict[str, object] = {
            "dropout": 0.1,
            "rehearse": rehearse,
            "max_steps": 0,
            "epochs": 0.2,
        }
        run = _create(tmp_path / str(rehearse), train, save={"every_steps": 2, "every_minutes": 0})
        first = _train(run)
        assert first.state == "finished", first.message
        at = max(int(p.name.partition("-")[2]) for p in run.checkpoints.glob("checkpoint-*"))
        words = ("--attempt", "2", "--from-step", str(at), "--changes", '{"train.epochs": "0.4"}')
        observed = _train(run, *words)
        assert observed.state == "finished" and observed.status.attempt == 2
        assert (observed.status.rehearsed is not None) is rehearse
        told.append(_told(observed))
        weights.append(load_file(run.adapter / "adapter_model.safetensors"))
    assert told[0] == told[1]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_it_tries_the_longest_rows_and_measures_them(tmp_path: Path) -> None:
    run = _create(tmp_path, {})
    observed = _train(run)
    rehearsed, plan = observed.status.rehearsed, observed.status.plan
    assert rehearsed is not None and plan is not None and rehearsed.fits
    assert rehearsed.rows == 4 and rehearsed.length <= plan.max_length
    assert rehearsed.tokens > 4 * plan.tokens_per_epoch / plan.num_rows  # longer than the mean
    assert rehearsed.tensors_gib > rehearsed.eval_tensors_gib > 0
    assert rehearsed.step_s > 0 and rehearsed.tokens_per_s > 0 and rehearsed.eval_s > 0
    real = observed.status.checkpoints[-1].num_bytes
    # a checkpoint has the random generators and the trainer's own state besides
    assert 0.9 * real < rehearsed.checkpoint_bytes <= real
    assert not list(run.path.glob(".rehearsal-*"))


def test_too_little_memory_is_told_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most rows would fit; the longest four do not."""
    monkeypatch.setenv(ENVIRONMENT, "24")
    run = _create(tmp_path, {"micro_batch": 16, "accumulation": 1})
    observed = _train(run)
    failed, rehearsed = observed.status.failed, observed.status.rehearsed
    assert failed is not None and failed.error == "oom" and not observed.status.steps
    assert rehearsed is not None and not rehearsed.fits and rehearsed.phase == failed.phase
    ending = explain_ending(run, observed)
    assert "of the rehearsal, before step 1" in ending.title
    assert dict(ending.actions[0].changes)["train.micro_batch"] == "8"
