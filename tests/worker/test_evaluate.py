from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from engine.cli.eval import answer_text, table
from engine.errors import EXIT_OOM, TailfinError
from engine.evaluate.delivered import find_delivered, held_out_rows
from engine.evaluate.report import read_answers, read_report
from engine.runs.journal import Journal
from engine.runs.reader import read_all
from engine.runs.status import fold_all
from engine.runs.store import RunFolder
from engine.worker.answers import answer
from engine.worker.evaluate import Wish, evaluate
from engine.worker.job import Job
from engine.worker.score import RowScore, score_rows, trained_tokens
from engine.worker.tokens import TokenRow, tokenise_rows
from engine.worker.trained import Pair
from tests.export.trained_run import MAX_LENGTH, make_base, make_run
from tests.process import answer as json_answer
from tests.process import tailfin


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base and a lora and a full run over it."""
    root = tmp_path_factory.mktemp("evaluate")
    base = make_base(root / "base")
    make_run(root / "runs" / "a-lora", base, "lora", num_held_out=6)
    make_run(root / "runs" / "a-full", base, "full", num_held_out=6)
    return root


def _job(folder: Path) -> Job:
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    return Job(run, Journal(run.events))


def _pair(folder: Path, name: str, tmp_path: Path) -> Pair:
    return Pair(find_delivered(RunFolder(folder / "runs" / name)), _job(tmp_path / "job"))


def _token_rows(pair: Pair) -> list[TokenRow]:
    return tokenise_rows(held_out_rows(pair.delivered.run), pair.tokenizer, pair.template)


def _score(model: Any, rows: list[TokenRow], max_length: int, batch: int) -> list[RowScore]:
    return score_rows(
        model,
        rows,
        max_length=max_length,
        micro_batch=batch,
        dtype="float32",
        progress=lambda done: None,
    )


@pytest.mark.parametrize("max_length", [MAX_LENGTH, 20])
def test_the_loss_is_the_one_trl_reports(folder: Path, tmp_path: Path, max_length: int) -> None:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    pair = _pair(folder, "a-lora", tmp_path)
    rows = [row for row in _token_rows(pair) if trained_tokens(row, max_length)]
    table = {"input_ids": [r.input_ids for r in rows], "labels": [r.labels for r in rows]}
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder / "base"),
        args=SFTConfig(
            output_dir=str(tmp_path / "trl"),
            per_device_eval_batch_size=len(rows),  # one batch: a mean over batches is none
            max_length=max_length,
            report_to="none",
            use_cpu=True,
            bf16=False,
        ),
        train_dataset=Dataset.from_dict(table),
        eval_dataset=Dataset.from_dict(table),
        processing_class=pair.tokenizer,
    )
    theirs = trainer.evaluate()
    with pair.model("base") as model:
        ours = _score(model, rows, max_length, batch=4)
    tokens = sum(score.num_tokens for score in ours)
    assert sum(s.loss for s in ours) / tokens == pytest.approx(theirs["eval_loss"], rel=1e-5)
    right = sum(score.num_correct for score in ours) / tokens
    assert right == pytest.approx(theirs["eval_mean_token_accuracy"], abs=1e-6)


def test_batches_change_nothing(folder: Path, tmp_path: Path) -> None:
    pair = _pair(folder, "a-lora", tmp_path)
    rows = _token_rows(pair)
    with pair.model("tuned") as model:
        alone, together = (_score(model, rows, MAX_LENGTH, batch) for batch in (1, 6))
    for one, other in zip(alone, together, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        assert one.num_tokens == other.num_tokens


@pytest.mark.parametrize("name", ["a-lora", "a-full"])
def test_base_and_tuned_are_the_models_they_are_called(
    folder: Path, tmp_path: Path, name: str
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    pair = _pair(folder, name, tmp_path)
    base = AutoModelForCausalLM.from_pretrained(folder / "base")
    result = folder / "runs" / name
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        expected = {"base": base(ids).logits}
        tuned = (
            PeftModel.from_pretrained(base, result / "adapter")
            if name == "a-lora"
            else AutoModelForCausalLM.from_pretrained(result / "model")
        )
        expected["tuned"] = tuned(ids).logits
    assert not torch.allclose(expected["base"], expected["tuned"], atol=1e-2)
    for which in ("base", "tuned", "base"):
        with pair.model(which) as model:
            assert torch.allclose(model(ids).logits, expected[which], atol=1e-5)


def test_a_batch_that_does_not_fit_is_split() -> None:
    rows = [TokenRow([1, 2, 3, 4], [-100, 2, 3, 4], 3, 3, True, n, n) for n in range(5)]
    seen: list[int] = []

    class Small(torch.nn.Module):
        def __init__(self, most: int) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.most = most

        def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
            if len(input_ids) > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            seen.append(len(input_ids))
            return SimpleNamespace(logits=torch.zeros(*input_ids.shape, 10))

    scores = _score(Small(2), rows, 8, batch=5)
    assert [score.num_tokens for score in scores] == [3] * 5
    assert scores[0].loss == pytest.approx(3 * math.log(10))
    assert max(seen) <= 2
    with pytest.raises(TailfinError, match="single held-out row of 4 tokens") as caught:
        _score(Small(0), rows, 8, batch=5)
    assert caught.value.exit_code == EXIT_OOM


def test_answers_stop_where_the_template_ends_a_turn(folder: Path, tmp_path: Path) -> None:
    pair = _pair(folder, "a-lora", tmp_path)
    messages = [{"role": "user", "content": "What does the goat eat?"}]
    pieces: list[str] = []
    with pair.model("tuned") as model:
        whole = answer(
            model,
            pair.tokenizer,
            pair.template,
            messages,
            max_new_tokens=12,
            on_text=pieces.append,
        )
        assert whole.hit_limit and whole.num_tokens == 12
        assert "".join(pieces) == whole.text
        first = int(pair.tokenizer(whole.text, add_special_tokens=False)["input_ids"][0])
        from dataclasses import replace

        ending = replace(pair.template, stop_ids=(first,))
        short = answer(model, pair.tokenizer, ending, messages, max_new_tokens=12)
        assert not short.hit_limit and short.num_tokens < 12
        asked = iter([False, False, True])
        cancelled = answer(
            model,
            pair.tokenizer,
            pair.template,
            messages,
            max_new_tokens=12,
            cancelled=lambda: next(asked),
        )
        assert cancelled.num_tokens == 3 and not cancelled.hit_limit


def test_the_command_measures_and_shows_both(folder: Path) -> None:
    questions = folder / "questions.txt"
    questions.write_text("What is \x1b[2J a bat?\n", encoding="utf-8")
    words = [
        "eval",
        "a-lora",
        "--rows",
        "4",
        "--max-new-tokens",
        "6",
        "--questions",
        "questions.txt",
    ]
    done = tailfin(*words, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr + done.stdout
    data = json_answer(done)["data"]
    report = data["report"]
    assert (report["num_rows"], report["max_length"]) == (4, MAX_LENGTH)
    assert report["difference"]["verdict"] == "too few to tell"
    assert report["base"]["loss"] != report["tuned"]["loss"]
    per_row = [row["base_loss"] * row["num_tokens"] for row in report["rows"]]
    assert sum(per_row) / report["num_tokens"] == pytest.approx(report["base"]["loss"])
    assert report["answers"] == {
        "num_questions": 1,
        "max_new_tokens": 6,
        "base_hit_limit": 1.0,
        "tuned_hit_limit": 1.0,
    }
    (pair,) = data["answers"]
    assert pair["base"]["text"] != pair["tuned"]["text"]
    job = RunFolder(Path(data["job"]))
    assert job.path.parent == folder / "runs" / "a-lora" / "jobs"
    shown = table(read_report(job)) + answer_text(read_answers(job), 80)
    assert "What is \\x1b[2J a bat?" in shown
    assert shown.isprintable() or all(c.isprintable() or c == "\n" for c in shown)
    stages = [json.loads(line).get("name") for line in job.events.read_text().splitlines()]
    assert [s for s in stages if s] == [
        *("import", "tokenise", "load", "eval", "generate", "eval", "generate", "save"),
    ]


def test_a_run_without_held_out_rows_needs_questions(folder: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", folder / "base", "lora", num_held_out=0)
    job = _job(tmp_path / "job")
    with pytest.raises(TailfinError, match="held out no rows") as caught:
        evaluate(job, run, Wish())
    assert "--questions" in caught.value.hint
    questions = tmp_path / "q.txt"
    questions.write_text("Why?\n")
    evaluate(job, run, Wish(questions=questions, max_new_tokens=3))
    report = read_report(job.run)
    assert report.base is None and report.difference is None
    assert report.answers.num_questions == 1
    assert fold_all(read_all(job.run.events)).stage == "save"
