"""The recipe on the real tiny model: what is trained, kept, stopped and delivered."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from engine.bundled import bundled
from engine.runs.acts import request
from engine.runs.checkpoints import candidates
from engine.runs.create import write_spec
from engine.runs.effective import as_changes
from engine.runs.events import Checkpointed, Notice, Progress, Stage
from engine.runs.reader import read_all
from engine.runs.state import Observed, observe
from engine.runs.store import RunFolder, create_run
from engine.settings import layer
from engine.worker.train import main
from tests.fake_hub import FakeModel, fake_hub
from tests.process import answer, tailfin, wait_for_end

pytestmark = pytest.mark.timeout(240)
MODEL = bundled("samples") / "model"


def _train(
    tmp_path: Path, settings: dict[str, dict[str, object]], *, attempt: int = 1
) -> tuple[RunFolder, Observed]:
    """Train in this very process (the imports are paid once); returns the ended run."""
    base: dict[str, Any] = {
        "profile": "cpu-demo",
        "model": {"path": str(MODEL)},
        "data": {"path": str(bundled("samples") / "good.jsonl"), "eval_max_rows": 8},
        "train": {"max_steps": 3},
        "eval": {"at_start": False, "every_steps": 3},
        "save": {"every_minutes": 0},
    }
    for section, values in settings.items():
        base[section] = base.get(section, {}) | values
    run = create_run("test", str(tmp_path / "runs"))
    write_spec(run, layer([("test", base)]))
    main([str(run.path), "--attempt", str(attempt)])
    return run, observe(run)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    return found


def _finished(observed: Observed) -> None:
    assert observed.state == "finished", f"{observed.state}: {observed.message}"


@pytest.mark.parametrize(
    ("train", "model"),
    [
        ({"method": "lora", "dropout": 0.1}, {}),
        ({"method": "lora", "dora": True, "optimizer": "adamw_8bit"}, {"dtype": "bfloat16"}),
        ({"method": "lora", "targets": "q_proj,v_proj", "rslora": True}, {"attention": "eager"}),
        ({"method": "qlora", "optimizer": "paged_adamw_8bit"}, {}),
        ({"method": "qlora", "double_quant": False, "gradient_checkpointing": True}, {}),
        ({"method": "qlora", "quantize_bits": 8, "optimizer": "lion_8bit"}, {}),
    ],
)
def test_an_adapter_learns(
    tmp_path: Path, train: dict[str, object], model: dict[str, object]
) -> None:
    run, observed = _train(tmp_path, {"train": train, "model": model})
    _finished(observed)
    losses = [point.loss for point in observed.status.steps]
    assert len(losses) == 3 and losses[-1] < losses[0]
    adapter = _weights(run.adapter)
    moved = [name for name, w in adapter.items() if "lora_B" in name and w.abs().sum() > 0]
    # 4 layers x (q k v o gate up down), or only the two that were asked for
    assert len(moved) == (8 if "targets" in train else 28)
    config = json.loads((run.adapter / "adapter_config.json").read_text("utf-8"))
    assert config["r"] == 16 and config["use_dora"] == train.get("dora", False)
    assert (run.adapter / "chat_template.jinja").exists()
    assert not (run.adapter / "optimizer.pt").exists()
    plan = observed.status.plan
    assert plan is not None and 0 < plan.trained_params < plan.total_params / 4


def test_full_moves_everything_and_freeze_only_the_last_layers(tmp_path: Path) -> None:
    base = _weights(MODEL)
    for method, still in (("full", 0), ("freeze", 2)):
        run, observed = _train(
            tmp_path / method,
            {"train": {"method": method, "trainable_layers": 2, "learning_rate": 1e-3}},
        )
        _finished(observed)
        tuned = _weights(run.model)
        layers = [n for n in tuned if n.startswith("model.layers.") and n.endswith("proj.weight")]
        moved = {n.split(".")[2] for n in layers if not torch.equal(tuned[n], base[n])}
        assert moved == {str(n) for n in range(still, 4)}
        embedding = "model.embed_tokens.weight"
        assert torch.equal(tuned[embedding], base[embedding]) == (method == "freeze")


def test_packing_puts_rows_together(tmp_path: Path) -> None:
    _, plain = _train(tmp_path / "a", {"train": {"max_steps": 0, "epochs": 1, "micro_batch": 2}})
    _, observed = _train(
        tmp_path / "b",
        {
            "train": {"max_steps": 0, "epochs": 1, "micro_batch": 2},
            "data": {"packing": True, "max_length": 512},
        },
    )
    _finished(observed)
    assert plain.status.plan is not None and observed.status.plan is not None
    assert observed.status.plan.max_steps < plain.status.plan.max_steps / 3
    # the same tokens, in fewer and longer sequences
    assert observed.status.steps[-1].tokens == observed.status.plan.tokens_per_epoch


def test_early_stopping_delivers_the_best_checkpoint_not_the_last(tmp_path: Path) -> None:
    """At this learning rate the held-out loss falls, then the run blows up."""
    run, observed = _train(
        tmp_path,
        {
            "train": {
                "max_steps": 60,
                "learning_rate": 0.02,
                "schedule": "constant",
                "warmup": 0.0,
                "method": "full",
            },
            "eval": {"every_steps": 2, "patience": 2},
            "save": {"keep": 1},
        },
    )
    _finished(observed)
    evals = [(e.step, e.loss) for e in observed.status.evals]
    best_step, best_loss = min(evals, key=lambda pair: pair[1])
    assert observed.status.step < 60 and evals[-1][0] - best_step == 4
    assert "Stopped early" in observed.message and f"Delivered step {best_step}" in observed.message
    delivered = _weights(run.model)
    kept = _weights(run.checkpoints / f"checkpoint-{best_step}")
    assert all(torch.equal(delivered[name], kept[name]) for name in kept)
    assert sorted(int(p.name.split("-")[1]) for p in candidates(run.checkpoints)) == [
        best_step,
        observed.status.step,
    ]
    assert observed.status.best is not None and observed.status.best.loss == best_loss


def test_the_last_one_is_delivered_when_asked(tmp_path: Path) -> None:
    run, observed = _train(
        tmp_path,
        {
            "train": {"max_steps": 4, "learning_rate": 0.5, "method": "full", "warmup": 0.0},
            "eval": {"every_steps": 1, "keep_best": False},
        },
    )
    _finished(observed)
    assert "Delivered step 4" in observed.message
    last = _weights(run.checkpoints / "checkpoint-4")
    assert all(torch.equal(w, last[name]) for name, w in _weights(run.model).items())


def test_checkpoints_are_made_by_steps_and_by_time(tmp_path: Path) -> None:
    run, observed = _train(
        tmp_path / "steps",
        {
            "save": {"every_steps": 2, "keep": 9},
            "train": {"max_steps": 5},
            "eval": {"every_steps": 99},
        },
    )
    _finished(observed)
    assert [c.step for c in observed.status.checkpoints] == [2, 4, 5]
    # a thousandth of a second: every step is late
    run, observed = _train(
        tmp_path / "time",
        {"save": {"every_minutes": 0.001 / 60, "every_steps": 99, "keep": 1}},
    )
    made = [e.body for e in read_all(run.events) if isinstance(e.body, Checkpointed)]
    assert [(c.step, c.reason) for c in made] == [(1, "time"), (2, "time"), (3, "end")]


def test_the_length_is_taken_from_the_data_and_the_cut_share_told(tmp_path: Path) -> None:
    run, observed = _train(tmp_path / "auto", {})
    _finished(observed)
    plan = observed.status.plan
    assert plan is not None and plan.max_length % 64 == 0 and plan.cut_share == 0
    run, observed = _train(tmp_path / "short", {"data": {"max_length": 64}})
    plan = observed.status.plan
    assert plan is not None and plan.max_length == 64 and 0 < plan.cut_share < 1
    told = [e.body for e in read_all(run.events) if isinstance(e.body, Notice)]
    said = next(n for n in told if n.id == "data.max-length")
    assert said.severity == "warn" and "data.max_length=" in said.fix


def test_held_out_rows_are_kept_and_the_same_seed_splits_the_same(tmp_path: Path) -> None:
    texts = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run, observed = _train(tmp_path / name, {"train": {"seed": seed, "max_steps": 1}})
        _finished(observed)
        texts.append(run.held_out.read_text("utf-8"))
    assert texts[0] == texts[1] != texts[2]
    assert len(texts[0].splitlines()) == 8


def test_logging_every_third_step_leaves_the_evaluation_and_the_last_step_right(
    tmp_path: Path,
) -> None:
    settings: dict[str, dict[str, object]] = {"eval": {"every_steps": 2}, "train": {"max_steps": 5}}
    _, plain = _train(tmp_path / "a", settings)
    settings["train"] = {"max_steps": 5, "log_every": 3}
    _, third = _train(tmp_path / "b", settings)
    assert [p.step for p in third.status.steps] == [1, 3, 5]
    losses = [[round(e.loss, 6) for e in o.status.evals] for o in (plain, third)]
    assert losses[0] == losses[1] and len(losses[0]) == 3


def _again(run: RunFolder, from_step: int, changes: dict[str, object]) -> Observed:
    text = json.dumps(as_changes(changes))
    words = [str(run.path), "--attempt", "2", "--from-step", str(from_step), "--changes", text]
    main(words)
    return observe(run)


def test_a_resume_takes_up_another_learning_rate(tmp_path: Path) -> None:
    train: dict[str, object] = {"schedule": "constant", "learning_rate": 1e-3, "max_steps": 3}
    run, first = _train(tmp_path, {"train": train})
    _finished(first)
    again = _again(run, 3, {"train.learning_rate": 1e-5, "train.max_steps": 6})
    _finished(again)
    rates = [p.learning_rate for p in again.status.steps]
    assert rates == pytest.approx([1e-3] * 3 + [1e-5] * 3)


def test_what_was_asked_of_an_attempt_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    run, first = _train(tmp_path, {})
    _finished(first)
    request(run, "stop")
    again = _again(run, 3, {"train.max_steps": 5})
    _finished(again)
    assert again.status.step == 5


def test_early_stopping_that_was_delivered_can_be_trained_on(tmp_path: Path) -> None:
    """A floor on the improvement that nothing reaches: out of patience at the first evaluation."""
    settings: dict[str, dict[str, object]] = {
        "train": {"max_steps": 6},
        "eval": {"at_start": True, "every_steps": 1, "patience": 1, "min_delta": 100.0},
    }
    run, first = _train(tmp_path, settings)
    _finished(first)
    assert first.status.step == 1 and "Stopped early" in first.message
    shutil.rmtree(run.adapter)
    assert _again(run, 1, {}).status.step == 1 and run.adapter.is_dir()
    assert _again(run, 1, {"train.max_steps": 7}).status.step > 1


def test_a_training_that_ended_while_it_delivered_is_delivered_on_resume(tmp_path: Path) -> None:
    run, first = _train(tmp_path, {})
    _finished(first)
    shutil.rmtree(run.adapter)
    again = _again(run, 3, {})
    _finished(again)
    assert _weights(run.adapter) and [p.step for p in again.status.steps] == [1, 2, 3]


def test_a_best_checkpoint_that_is_gone_is_said_and_the_last_delivered(tmp_path: Path) -> None:
    """At this learning rate the run blows up, so the best evaluation is an early one."""
    run, first = _train(
        tmp_path,
        {
            "train": {
                "max_steps": 2,
                "learning_rate": 0.5,
                "method": "full",
                "warmup": 0.0,
                "schedule": "constant",
            },
            "eval": {"every_steps": 1},
            "save": {"keep": 9},
        },
    )
    _finished(first)
    best = first.status.best
    assert best is not None and 0 < best.step < 2
    shutil.rmtree(run.checkpoints / f"checkpoint-{best.step}")
    again = _again(run, 2, {})
    _finished(again)
    assert "Delivered step 2" in again.message
    assert any(n.id == "checkpoint.best-gone" for n in again.status.notices)


def test_a_result_worse_than_the_base_is_told(tmp_path: Path) -> None:
    train: dict[str, object] = {"max_steps": 2, "learning_rate": 0.5, "warmup": 0.0}
    _, observed = _train(tmp_path, {"train": train, "eval": {"at_start": True, "every_steps": 2}})
    _finished(observed)
    assert any(n.id == "train.worse-than-base" for n in observed.status.notices)


def test_a_warm_up_longer_than_the_run_is_told(tmp_path: Path) -> None:
    train: dict[str, object] = {"max_steps": 0, "epochs": 0.1, "warmup": 100}
    _, observed = _train(tmp_path, {"train": train})
    assert any(n.id == "train.warmup-too-long" for n in observed.status.notices)


def test_other_rows_are_refused_on_resume(tmp_path: Path) -> None:
    data = tmp_path / "mine.jsonl"
    lines = (bundled("samples") / "good.jsonl").read_text("utf-8").splitlines()
    data.write_text("\n".join(lines[:100]) + "\n", "utf-8")
    run, first = _train(tmp_path, {"data": {"path": str(data)}})
    _finished(first)
    data.write_text("\n".join(lines[:120]) + "\n", "utf-8")
    again = _again(run, 3, {"train.max_steps": 4})
    assert again.state == "failed" and "The rows changed since this run began" in again.message


def test_a_hub_name_is_downloaded_as_a_stage_of_its_own(tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in MODEL.iterdir() if path.is_file()}
    with fake_hub() as hub:
        hub.add(FakeModel("org/tiny", files))
        env = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "cache"),
            "HF_HUB_OFFLINE": "0",
        }
        words = ["train", "--model", "org/tiny", "--data"]
        words += [str(bundled("samples") / "good.jsonl"), "--profile", "cpu-demo", "--detach"]
        words += ["--json", "--set", "train.max_steps=1", "--set", "data.eval_max_rows=4"]
        done = tailfin(*words, cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        run = RunFolder(Path(answer(done)["data"]["path"]))
        assert wait_for_end(run).state == "finished"
        events = [e.body for e in read_all(run.events)]
        stages = [body.name for body in events if isinstance(body, Stage)]
        assert stages == ["import", "download", "load", "tokenise", "rehearse", "train", "save"]
        sizes = {b.stage: b.total for b in events if isinstance(b, Progress) and b.unit == "bytes"}
        assert sizes["download"] >= sizes["load"] > 7_000_000
        missing = tailfin(
            *[w.replace("org/tiny", "org/none") for w in words], cwd=tmp_path, env=env
        )
        assert missing.returncode == 2
        assert answer(missing)["findings"][0]["id"] == "model.missing"
    assert len(list((tmp_path / "runs").iterdir())) == 1
