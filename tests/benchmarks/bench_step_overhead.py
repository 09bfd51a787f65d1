"""Step time of tailfin's training loop against a plain TRL script with the same settings.

Both trainers live in one process, each in a thread, and take turns step by step, so that whatever
the machine does meanwhile hits both alike. A turn lasts from the beginning of a step to the
beginning of the next: forward, backward, optimizer, logging, and for tailfin everything it adds
(phases, token sums, control folder, event log).

    python tests/benchmarks/bench_step_overhead.py [--steps 60] [--device cpu]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import torch
import transformers
import trl
from datasets import Dataset
from peft import LoraConfig
from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback
from trl import SFTConfig, SFTTrainer

from engine.bundled import bundled
from engine.runs.events import Started
from engine.runs.journal import Journal
from engine.runs.status import Status
from engine.runs.store import RunFolder
from engine.spec import Spec
from engine.worker.arguments import lora_arguments, sft_arguments
from engine.worker.job import Job
from engine.worker.sums import TokenSums
from engine.worker.trl_seams import Trainer
from engine.worker.watch import Watch

_WARM_UP = 5


class Baton:
    """Two runners take turns; each learns how long its own turns lasted."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._turn = 0
        self._gone: set[int] = set()

    def wait(self, me: int) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._turn == me or (1 - me) in self._gone)

    def pass_on(self, me: int) -> None:
        with self._condition:
            self._turn = 1 - me
            self._condition.notify_all()

    def leave(self, me: int) -> None:
        with self._condition:
            self._gone.add(me)
            self._turn = 1 - me
            self._condition.notify_all()


class TakeTurns(TrainerCallback):
    """Measures the seconds from one step's beginning to the next one's."""

    def __init__(self, baton: Baton, me: int) -> None:
        self.turns_s: list[float] = []
        self._baton, self._me, self._began = baton, me, 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        if self._began:
            self.turns_s.append(time.perf_counter() - self._began)
            self._baton.pass_on(self._me)
        self._baton.wait(self._me)
        self._began = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._baton.leave(self._me)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--length", type=int, default=192)
    args = parser.parse_args()
    on_gpu = args.device == "cuda"
    rows = _rows(args.steps * 4, args.length)
    spec = Spec.model_validate(
        {
            "model": {"path": "-"},
            "data": {"path": "-"},
            "train": {
                "max_steps": args.steps,
                "micro_batch": 4,
                "accumulation": 1,
                "gradient_checkpointing": False,
            },
            # a plain script saves nothing on the way either
            "save": {"every_steps": args.steps + 1, "every_minutes": 0},
        }
    )
    baton = Baton()
    turns = [TakeTurns(baton, 0), TakeTurns(baton, 1)]
    with tempfile.TemporaryDirectory() as folder:
        plain = _plain(spec, Path(folder) / "plain", rows, args, turns[0], on_gpu)
        ours = _ours(spec, Path(folder) / "ours", rows, args, turns[1], on_gpu)
        threads = [threading.Thread(target=t.train) for t in (plain, ours)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    _print(turns[0].turns_s[_WARM_UP:], turns[1].turns_s[_WARM_UP:], args)


def _print(plain: list[float], ours: list[float], args: argparse.Namespace) -> None:
    pairs = list(zip(plain, ours, strict=False))
    plain_s, ours_s = statistics.median(plain), statistics.median(ours)
    added_us = statistics.median([b - a for a, b in pairs]) * 1e6
    ratio = statistics.median([a / b for a, b in pairs])
    versions = f"torch {torch.__version__} transformers {transformers.__version__}"
    print(f"{time.strftime('%Y-%m-%d')} {platform.machine()} {args.device} {versions}", end=" ")
    print(f"trl {trl.__version__}, {torch.get_num_threads()} threads, {len(pairs)} paired steps")
    print(f"plain TRL  median step {plain_s * 1e3:8.2f} ms")
    print(f"tailfin    median step {ours_s * 1e3:8.2f} ms")
    print(f"speed ratio (plain / tailfin), median of pairs: {ratio:.4f}   (aim: 0.99 or better)")
    print(f"added per step, median of paired differences: {added_us:.0f} us")


def _plain(
    spec: Spec, folder: Path, rows: Dataset, args: argparse.Namespace, turns: TakeTurns, gpu: bool
) -> SFTTrainer:
    """What a person would write by hand with the same settings."""
    train = spec.train
    config = SFTConfig(
        output_dir=str(folder),
        max_steps=train.max_steps,
        per_device_train_batch_size=train.micro_batch,
        gradient_accumulation_steps=train.accumulation,
        learning_rate=train.learning_rate,
        lr_scheduler_type=train.schedule,
        warmup_steps=train.warmup,
        weight_decay=train.weight_decay,
        max_length=args.length,
        logging_steps=1,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=not gpu,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    lora = LoraConfig(task_type="CAUSAL_LM", r=train.rank, lora_alpha=train.alpha,
                      target_modules="all-linear")  # fmt: skip
    return SFTTrainer(
        model=_model(args.hidden),
        args=config,
        train_dataset=rows,
        processing_class=_tokenizer(),
        peft_config=lora,
        callbacks=[turns],
    )


def _ours(
    spec: Spec, folder: Path, rows: Dataset, args: argparse.Namespace, turns: TakeTurns, gpu: bool
) -> Trainer:
    run = RunFolder(folder)
    run.control.mkdir(parents=True)
    job = Job(run, Journal(run.events))
    job.write(Started(attempt=1, job="train", host="bench", boot_id="", pid=0))
    sums = TokenSums()
    lora = lora_arguments(spec)
    assert lora is not None
    return Trainer(
        job=job,
        sums=sums,
        model=_model(args.hidden),
        args=SFTConfig(
            **sft_arguments(
                spec,
                output_dir=run.checkpoints,
                max_length=args.length,
                has_eval=False,
                resuming=False,
                dtype="float32",
                on_gpu=gpu,
            )
        ),
        train_dataset=rows,
        processing_class=_tokenizer(),
        peft_config=LoraConfig(**lora),
        callbacks=[Watch(job, spec, sums, Status(), has_eval=False), turns],
    )


def _model(hidden: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=hidden * 3,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=4,
        vocab_size=8192,
    )
    return LlamaForCausalLM(config)


def _rows(count: int, length: int) -> Dataset:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(10, 1000, (count, length), generator=generator).tolist()
    return Dataset.from_dict({"input_ids": ids, "labels": ids})


def _tokenizer() -> Any:
    return transformers.AutoTokenizer.from_pretrained(bundled("samples") / "model")


if __name__ == "__main__":
    main()
