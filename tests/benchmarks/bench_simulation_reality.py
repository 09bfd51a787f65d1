"""Holds simulated peaks against real CPU runs of the same small models, and times a simulation.

    python -m tests.benchmarks.bench_simulation_reality [--start N] [--every N] [--only-time]

Each combination is trained for two optimizer steps by TRL's own loop and evaluated once, read by
torch's profiler (tests/memory/ruler.py), and simulated with the corrections for CUDA off. Errors
are those of the peak above the weights, which are known to the byte and would flatter it.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from engine.memory.cards import find_card
from engine.spec import Spec
from engine.worker.simulate.answer import simulate
from tests.memory.real_steps import ARCHITECTURES, Combination, real, simulated

METHODS: list[dict[str, Any]] = [
    {"method": "lora"},
    {"method": "lora", "optimizer": "adamw_8bit", "rank": 64},
    {"method": "lora", "dropout": 0.1, "optimizer": "sgd"},
    {"method": "lora", "dora": True},
    {"method": "qlora"},
    {"method": "qlora", "double_quant": False, "optimizer": "paged_adamw_32bit"},
    {"method": "qlora", "quantize_bits": 8, "optimizer": "paged_adamw_8bit"},
    {"method": "qlora", "dora": True, "optimizer": "lion_8bit"},
    {"method": "full"},
    {"method": "full", "optimizer": "adamw_8bit"},
    {"method": "full", "optimizer": "adafactor", "accumulation": 2},
    {"method": "full", "optimizer": "lion_8bit"},
    {"method": "freeze", "trainable_layers": 1},
    {"method": "lora", "accumulation": 2},
]
LENGTHS = (128, 256, 384, 512, 192)
# sizes from each model's public config.json
CONFIGS: dict[str, dict[str, Any]] = {
    "Mistral-7B": {
        "model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
        "vocab_size": 32000, "sliding_window": None,
    },
    "Qwen2.5-7B": {
        "model_type": "qwen2", "hidden_size": 3584, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4, "intermediate_size": 18944,
        "vocab_size": 152064,
    },
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only-time", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    if not args.only_time:
        _compare(list(combinations())[args.start :: args.every])
    _time()


def combinations() -> Iterator[Combination]:
    """Every architecture with every method; the other settings take turns."""
    turns = itertools.count()
    for name, method in itertools.product(ARCHITECTURES, METHODS):
        turn = next(turns)
        if name == "qwen3_moe" and (method.get("dora") or method.get("dropout")):
            continue  # PEFT has neither for experts
        yield Combination(
            name,
            {**method, "micro_batch": (1, 2, 4)[turn % 3], "gradient_checkpointing": turn % 2 == 0},
            dtype="float32" if turn % 4 == 3 else "bfloat16",
            attention="eager" if turn % 7 in (2, 5) else "auto",
            length=LENGTHS[turn % len(LENGTHS)],
            packing=turn % 9 == 4,
            tile=32768 if turn % 11 == 10 else 256,
        )


def _compare(chosen: list[Combination]) -> None:
    errors: list[tuple[float, float, Combination]] = []
    with tempfile.TemporaryDirectory() as folder:
        for combination in chosen:
            mine, theirs = simulated(combination), real(combination, Path(folder))
            train, evaluation = mine.errors(theirs)
            errors.append((train, evaluation, combination))
            above = (theirs.train - theirs.weights) / 2**20
            print(
                f"{train:+8.2%} {evaluation:+8.2%}  {above:7.1f} MiB above the weights  "
                f"{combination}",
                flush=True,
            )
    print(
        f"\n{len(errors)} combinations, {len({c.architecture for *_, c in errors})} architectures"
    )
    by_phase = {
        "train": [(abs(train), str(which)) for train, _, which in errors],
        "eval": [(abs(evaluation), str(which)) for _, evaluation, which in errors],
    }
    for phase, sizes in by_phase.items():
        worst, where = max(sizes)
        middle = statistics.median(size for size, _ in sizes)
        print(f"{phase}: median error {middle:.2%}, worst {worst:.2%} ({where})")


def _time() -> None:
    """Seconds of a whole simulation in a process that has its imports."""
    card = find_card("RTX 4090")
    for name, method in itertools.product(CONFIGS, ("lora", "qlora", "full")):
        spec = Spec.model_validate(
            {"model": {"path": "m"}, "data": {"path": "d"}, "train": {"method": method}}
        )
        started = time.perf_counter()
        peak = simulate(CONFIGS[name], spec, 2048, card).budget.phase("train").tensor_bytes
        seconds = time.perf_counter() - started
        print(f"{name} {method:5} 2 x 2048: {seconds:5.1f} s, {peak / 2**30:6.2f} GiB of tensors")


if __name__ == "__main__":
    main()
