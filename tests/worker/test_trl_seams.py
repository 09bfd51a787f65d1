"""The seams into TRL: each is checked by name and by what it must do."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

from engine.runs.events import Evaluated, Event, Started, Step
from engine.runs.journal import Journal
from engine.runs.reader import read_all
from engine.runs.status import Status
from engine.runs.store import RunFolder
from engine.spec import Spec
from engine.worker.arguments import sft_arguments
from engine.worker.job import Job
from engine.worker.load import choose_trained
from engine.worker.sums import TokenSums
from engine.worker.trl_seams import OUTPUT_FIELDS, Trainer, total_steps
from engine.worker.virtual_vram import ENVIRONMENT, virtual_vram
from engine.worker.watch import Watch

# Rows of very different length: a mean per forward pass and a mean per token disagree.
ROWS = [[5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], [5, 6], [9, 8, 7, 6, 5, 4, 3], [4, 5, 6]]


def _model(hidden: int = 32) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            hidden_size=hidden,
            intermediate_size=hidden * 4,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=32,
            pad_token_id=0,
        )
    )


def _tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {"<pad>": 0, "<eos>": 1} | {f"w{n}": n for n in range(2, 32)}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>")


def _rows() -> Dataset:
    labels = [[-100, *row[1:]] for row in ROWS]
    return Dataset.from_dict({"input_ids": ROWS, "labels": labels})


def _spec(**train: object) -> Spec:
    settings: dict[str, object] = {
        "micro_batch": 1,
        "accumulation": 4,
        "max_steps": 4,
        "learning_rate": 1e-2,
    }
    settings |= {"gradient_checkpointing": False, "warmup": 0.0, "method": "full"} | train
    return Spec.model_validate(
        {
            "model": {"path": "-"},
            "data": {"path": "-"},
            "train": settings,
            "eval": {"every_steps": 2},
            "save": {"every_minutes": 0},
        }
    )


def _trainer(tmp_path: Path, model: Any, spec: Spec, *, has_eval: bool = True) -> Trainer:
    run = RunFolder(tmp_path)
    run.control.mkdir()
    job = Job(run, Journal(run.events))
    job.write(Started(attempt=1, job="train", host="h", boot_id="b", pid=1))
    sums, eval_sums = TokenSums(), TokenSums()
    arguments = sft_arguments(
        spec,
        output_dir=run.checkpoints,
        max_length=64,
        has_eval=has_eval,
        resuming=False,
        dtype="float32",
        on_gpu=False,
    )
    return Trainer(
        job=job,
        sums=sums,
        eval_sums=eval_sums,
        model=model,
        args=SFTConfig(**arguments),
        train_dataset=_rows(),
        eval_dataset=_rows() if has_eval else None,
        processing_class=_tokenizer(),
        callbacks=[Watch(job, spec, sums, Status(), eval_sums=eval_sums if has_eval else None)],
    )


def _steps(events: list[Event]) -> list[Step]:
    return [event.body for event in events if isinstance(event.body, Step)]


def test_the_names_we_lean_on_are_still_there() -> None:
    for name in ("compute_loss", "evaluate", "_save_checkpoint", "create_model_card", "log"):
        assert callable(getattr(SFTTrainer, name)), name
    source = inspect.getsource(SFTTrainer.compute_loss)
    for field in OUTPUT_FIELDS:
        assert f"outputs.{field}" in source, field
    assert "fused_lm_head=True" in source
    loop = inspect.getsource(transformers.Trainer._maybe_log_save_evaluate)
    # on_evaluate may still ask for a save, and on_save comes after the files
    assert loop.index("should_evaluate") < loop.index("should_save") < loop.index("on_save")


def test_losses_are_those_of_a_plain_trl_script(tmp_path: Path) -> None:
    spec = _spec()
    (tmp_path / "ours").mkdir()
    _trainer(tmp_path / "ours", _model(), spec).train()
    plain = SFTTrainer(
        model=_model(),
        args=SFTConfig(
            output_dir=str(tmp_path / "plain"),
            max_steps=4,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=4,
            learning_rate=1e-2,
            lr_scheduler_type="cosine",
            warmup_steps=0,
            gradient_checkpointing=False,
            logging_steps=1,
            bf16=False,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            save_strategy="no",
        ),
        train_dataset=_rows(),
        processing_class=_tokenizer(),
    )
    plain.train()
    wanted = [log for log in plain.state.log_history if "loss" in log]
    got = _steps(read_all(tmp_path / "ours" / "events.jsonl"))
    assert [s.loss for s in got] == pytest.approx([w["loss"] for w in wanted], rel=1e-6)
    assert [s.grad_norm for s in got] == pytest.approx([w["grad_norm"] for w in wanted], rel=1e-6)
    assert [s.learning_rate for s in got] == pytest.approx([w["learning_rate"] for w in wanted])
    assert [s.tokens for s in got] == [w["num_tokens"] for w in wanted]


def test_held_out_loss_accuracy_and_entropy_weigh_every_token_the_same(tmp_path: Path) -> None:
    model = _model()
    right = tokens = 0
    entropy = loss = 0.0
    with torch.no_grad():
        for row in ROWS:
            logits = model(torch.tensor([row])).logits[0, :-1].double()
            wanted = torch.tensor(row[1:])
            right += int((logits.argmax(-1) == wanted).sum())
            tokens += len(wanted)
            loss += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
            entropy += float(torch.distributions.Categorical(logits=logits).entropy().sum())
    trainer = _trainer(tmp_path, model, _spec())
    trainer.train()
    events = read_all(tmp_path / "events.jsonl")
    first = _steps(events)[0]
    assert first.accuracy == pytest.approx(right / tokens)
    assert first.entropy == pytest.approx(entropy / tokens, rel=1e-4)
    start = next(e.body for e in events if isinstance(e.body, Evaluated))
    assert start.step == 0 and start.accuracy == pytest.approx(right / tokens)
    assert start.loss == pytest.approx(loss / tokens, rel=1e-5)


def test_a_nan_is_logged_as_a_nan_and_said(tmp_path: Path) -> None:
    model = _model()
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[0, 0] = math.nan
    trainer = _trainer(tmp_path, model, _spec(max_steps=2))
    trainer.train()
    events = read_all(tmp_path / "events.jsonl")
    assert all(math.isnan(step.loss) for step in _steps(events)) and _steps(events)
    notices = [e.body for e in events if e.body.kind == "notice"]
    assert [n.id for n in notices] == ["train.nan"]  # type: ignore[union-attr]


def test_the_backward_pass_ends_at_the_lowest_trained_layer(tmp_path: Path) -> None:
    model = _model()
    choose_trained(model, "freeze", 1)
    passed: list[int] = []

    def watch(number: int) -> Any:
        def arrived(_gradient: Any) -> None:
            passed.append(number)

        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            if output.requires_grad and torch.is_grad_enabled():
                output.register_hook(arrived)

        return hook

    for number, layer in enumerate(model.model.layers):
        layer.register_forward_hook(watch(number))
    spec = _spec(method="freeze", trainable_layers=1, gradient_checkpointing=True, max_steps=1)
    before = model.model.layers[1].mlp.up_proj.weight.clone()
    _trainer(tmp_path, model, spec, has_eval=False).train()
    assert set(passed) == {1}
    assert not torch.equal(before, model.model.layers[1].mlp.up_proj.weight)


def test_steps_are_counted_as_the_trainer_counts_them(tmp_path: Path) -> None:
    spec = _spec(max_steps=0, epochs=2.5, accumulation=3)
    trainer = _trainer(tmp_path, _model(), spec)
    counted = total_steps(trainer)
    trainer.train()
    assert counted == trainer.state.max_steps == trainer.state.global_step


@pytest.mark.parametrize(("times", "phase"), [(1.05, "forward"), (3.0, "optimizer")])
def test_virtual_vram_runs_out_in_the_phase_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: float, phase: str
) -> None:
    """Weights are counted once, their gradients a second time, Adam's states twice more."""
    model = _model(hidden=128)  # weights dwarf activations
    weights_mib = sum(p.numel() * p.element_size() for p in model.parameters()) / 2**20
    trainer = _trainer(tmp_path, model, _spec(accumulation=1), has_eval=False)
    monkeypatch.setenv(ENVIRONMENT, str(weights_mib * times))
    with pytest.raises(torch.OutOfMemoryError), virtual_vram(trainer.model):
        trainer.train()
    assert trainer._job.phase == phase
    assert trainer.state.global_step == 0
