"""Step time of tailfin's training loop against a plain TRL script with the same settings.

Both trainers live in one process, each in a thread, and take turns step by step, so that whatever
the machine does meanwhile hits both alike. A turn lasts from the beginning of a step to the
beginning of the next: forward, backward, optimizer, logging, and for tailfin everything it adds
(phases, token sums, control folder, event log).

    python tests/benchmarks/bench_step_overhead.py [--steps 60] [--device cpu]
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import tempfile
import threading
import time
from contextlib import redirect_stdout
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


class Inside:
    """Seconds spent inside what tailfin adds to a step, by a clock around each call."""

    def __init__(self) -> None:
        self.spent_s = 0.0

    def clock(self, owner: object, *names: str) -> None:
        for name in names:
            setattr(owner, name, self._clocked(getattr(owner, name)))

    def _clocked(self, call: Any) -> Any:
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.spent_s += time.perf_counter() - began

        return timed


INSIDE = Inside()


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
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--hidden", type=int, default=224)
    parser.add_argument("--length", type=int, default=64)
    # Two trainers with a thread pool each would spin against one another on a CPU.
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
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
    print(_machine(args))
    # Whoever is built first lies elsewhere in memory and runs some percent slower: every race is
    # run in both orders. The same script against itself tells what noise is left.
    for title, tailfin in (
        ("plain TRL against itself", False),
        ("tailfin against plain TRL", True),
    ):
        plain_first = _race(spec, rows, args, on_gpu, [False, tailfin])
        plain_last = _race(spec, rows, args, on_gpu, [tailfin, False])
        _print(
            title, [*zip(*plain_first, strict=False)], [*zip(*reversed(plain_last), strict=False)]
        )

    inside_us = INSIDE.spent_s / (2 * args.steps) * 1e6
    print(f"  by a clock around all that tailfin adds: {inside_us:.0f} us per step")


def _race(
    spec: Spec, rows: Dataset, args: argparse.Namespace, on_gpu: bool, is_tailfin: list[bool]
) -> list[list[float]]:
    """Seconds per step of two runners in turns, warm-up left out; both are built in this order."""
    baton = Baton()
    turns = [TakeTurns(baton, 0), TakeTurns(baton, 1)]
    with tempfile.TemporaryDirectory() as folder:
        trainers = [
            (_ours if ours else _plain)(spec, Path(folder) / str(me), rows, args, turns[me], on_gpu)
            for me, ours in enumerate(is_tailfin)
        ]
        threads = [
            threading.Thread(target=_run, args=(trainer, args.threads)) for trainer in trainers
        ]
        # Both print a line per step; nobody has to read them.
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    return [turn.turns_s[_WARM_UP:] for turn in turns]


def _run(trainer: SFTTrainer, threads: int) -> None:
    torch.set_num_threads(threads)
    trainer.train()


def _machine(args: argparse.Namespace) -> str:
    versions = f"torch {torch.__version__} transformers {transformers.__version__}"
    where = f"{platform.machine()} {args.device}, {args.threads} threads"
    return f"{time.strftime('%Y-%m-%d')} {where}, {versions} trl {trl.__version__}"


def _print(title: str, *orders: list[tuple[float, float]]) -> None:
    """Pairs (plain, other) of both orders: medians within each, then their mean."""
    added_us = statistics.mean(statistics.median(b - a for a, b in o) for o in orders) * 1e6
    ratio = math.prod(statistics.median(a / b for a, b in o) for o in orders) ** (1 / len(orders))
    plain = statistics.median(a for o in orders for a, _ in o)
    print(f"{title}: {sum(len(o) for o in orders)} pairs, median plain step {plain * 1e3:.0f} ms")
    print(f"  speed ratio (plain / other)  {ratio:.4f}")
    print(f"  added per step               {added_us:.0f} us")


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
    watch = Watch(job, spec, sums, Status())
    INSIDE.clock(sums, "add")
    INSIDE.clock(watch, "on_step_end", "on_pre_optimizer_step", "on_log")
    lora = lora_arguments(spec)
    assert lora is not None
    return Trainer(
        job=job,
        sums=sums,
        eval_sums=TokenSums(),
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
        callbacks=[watch, turns],
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
