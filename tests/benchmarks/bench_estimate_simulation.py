"""Compares the closed estimate with the simulation over random settings, tensor by tensor.

    python -m tests.benchmarks.bench_estimate_simulation [--count 2000] [--seed 0] [--jobs 1]

Both describe the same step, the estimate by formulas, the simulation by executing the model's own
code on fake tensors. Models are of real families at small depth and medium width, so that one
setting takes a second or less. Prints each family's and each choice's mean and worst error, and
the worst settings. Everything is made from the seed: setting i is the same in every run.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from engine.errors import TailfinError
from engine.memory.budget import TENSOR_COMPONENTS, Budget
from engine.memory.cards import Card, find_card
from engine.memory.estimate import estimate
from engine.memory.model_shape import read_shape
from engine.spec import Spec

AIM = 0.03
_CARDS = ("T4", "RTX 4090", "A100 80GB", "H100 80GB")
_OPTIMIZERS = ("adamw", "adamw_8bit", "paged_adamw_8bit", "lion_8bit", "adafactor", "sgd")
_FAMILIES = (
    "llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma", "gemma2", "gemma3_text", "phi3",
    "mixtral", "qwen3_moe",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One setting: a config, a spec, a length and a card."""

    number: int
    config: dict[str, Any]
    spec: Spec
    length: int
    card: Card

    @property
    def says(self) -> str:
        train, config = self.spec.train, self.config
        bits = f"{train.quantize_bits}bit" if train.method == "qlora" else ""
        flags = [
            "gc" * train.gradient_checkpointing,
            "acc" * (train.accumulation > 1),
            "pack" * self.spec.data.packing,
            "drop" * bool(train.dropout),
            "dora" * train.dora,
            f"win{config['sliding_window']}" if config.get("sliding_window") else "",
            self.spec.model.attention,
            self.spec.model.dtype,
            train.optimizer,
        ]
        size = f"{config['hidden_size']}x{config['num_hidden_layers']} v{config['vocab_size']}"
        return (
            f"#{self.number} {config['model_type']} {size} {train.method}{bits} "
            f"{train.micro_batch}x{self.length} {self.card.name} {' '.join(filter(None, flags))}"
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Tensor bytes of the training peak, said by the estimate and by the simulation."""

    case: Case
    said: tuple[int, ...]
    seen: tuple[int, ...]
    said_moment: str
    seen_moment: str
    fault: str = ""

    @property
    def error(self) -> float:
        return sum(self.said) / sum(self.seen) - 1


def make_case(number: int, seed: int = 0) -> Case:
    """Setting `number` of a seed; always the same."""
    pick = random.Random(f"{seed}/{number}")
    method = pick.choice(("lora", "lora", "qlora", "qlora", "full", "freeze"))
    family = pick.choice(_FAMILIES)
    config = _config(pick, family)
    card = find_card(pick.choice(_CARDS))
    adapts = method in ("lora", "qlora")
    attention = pick.choice(("auto", "auto", "sdpa", "eager"))
    if family == "gemma2" and attention == "sdpa":
        attention = "auto"
    mixture = family in ("mixtral", "qwen3_moe")
    train = {
        "method": method,
        "rank": pick.choice((8, 16, 64)),
        "targets": pick.choice(("all-linear", "all-linear", "q_proj,v_proj"))
        if family != "phi3"
        else "all-linear",
        "dropout": pick.choice((0.0, 0.0, 0.05)) if adapts and not mixture else 0.0,
        "dora": adapts and not mixture and pick.random() < 0.1,
        "quantize_bits": pick.choice((4, 4, 8)) if method == "qlora" else 4,
        "double_quant": pick.random() < 0.7,
        "trainable_layers": pick.choice((1, 2)),
        "optimizer": pick.choice(_OPTIMIZERS) if pick.random() < 0.5 else "adamw",
        "micro_batch": pick.choice((1, 1, 2, 3, 4)),
        "accumulation": pick.choice((1, 4)),
        "gradient_checkpointing": pick.random() < 0.6,
    }
    spec = Spec.model_validate(
        {
            "model": {"path": "m", "attention": attention, "dtype": _dtype(pick)},
            "data": {"path": "d", "packing": pick.random() < 0.2},
            "train": train,
            "eval": {"micro_batch": pick.choice((0, 0, 2))},
        }
    )
    return Case(number, config, spec, pick.choice((128, 256, 512, 777, 1024)), card)


def _dtype(pick: random.Random) -> str:
    return pick.choice(("auto", "auto", "auto", "bfloat16", "float32"))


def _config(pick: random.Random, family: str) -> dict[str, Any]:
    head_dim = pick.choice((64, 128))
    kv_heads = pick.choice((1, 2, 4))
    heads = kv_heads * pick.choice((1, 2, 4))
    hidden = pick.choice((256, 512, 768, 1024))
    if family in ("phi3", "mixtral", "mistral"):  # these take the head size from the hidden size
        hidden = heads * head_dim
    config: dict[str, Any] = {
        "model_type": family,
        "hidden_size": hidden,
        "num_hidden_layers": pick.choice((2, 3)),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "intermediate_size": hidden * pick.choice((2, 3, 4)),
        "vocab_size": pick.choice((8192, 32000, 65536)),
        "max_position_embeddings": 4096,
        "tie_word_embeddings": pick.random() < 0.5,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    if family in ("mixtral", "qwen3_moe"):
        config |= {"num_experts_per_tok": 2, "moe_intermediate_size": hidden // 4}
        config["num_local_experts" if family == "mixtral" else "num_experts"] = 4
    if family in ("mistral", "gemma2", "gemma3_text", "phi3"):
        config["sliding_window"] = pick.choice((256, 2048))
    if family == "gemma2":
        config |= {"attn_logit_softcapping": 50.0, "query_pre_attn_scalar": head_dim}
    if family == "phi3":
        config.pop("head_dim")
    return config


def compare(case: Case) -> Outcome:
    """Both answers to a setting; a fault where one of them refuses it."""
    from engine.worker.simulate.answer import simulate

    try:
        shape = read_shape(case.config)
        said = estimate(shape, case.spec, case.length, case.card)
        seen = simulate(case.config, case.spec, case.length, case.card).budget
    except (TailfinError, NotImplementedError, RuntimeError) as error:
        return Outcome(case, (), (), "", "", f"{type(error).__name__}: {error}".splitlines()[0])
    return Outcome(case, _sizes(said), _sizes(seen), _moment(said), _moment(seen))


def _sizes(budget: Budget) -> tuple[int, ...]:
    return budget.phase("train").sizes[: len(TENSOR_COMPONENTS)]


def _moment(budget: Budget) -> str:
    return budget.phase("train").moment


def outcomes(count: int, seed: int, jobs: int) -> Iterator[Outcome]:
    cases = (make_case(number, seed) for number in range(count))
    if jobs == 1:
        yield from map(compare, cases)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(compare, cases, chunksize=8)


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--worst", type=int, default=20)
    args = parser.parse_args(words)
    warnings.filterwarnings("ignore")
    began = time.perf_counter()
    every = list(outcomes(args.count, args.seed, args.jobs))
    done = [one for one in every if not one.fault]
    print(f"closed estimate against simulation, tensors at the training peak, seed {args.seed}")
    for name, key in _KEYS.items():
        _table(name, done, key)
    print(f"\nworst {args.worst}:")
    for one in sorted(done, key=lambda one: -abs(one.error))[: args.worst]:
        _explain(one)
    _faults([one for one in every if one.fault])
    sizes = [abs(one.error) for one in done]
    beyond = sum(size > AIM for size in sizes)
    print(
        f"\n{len(done)} settings: mean error {statistics.mean(sizes):.2%}, median "
        f"{statistics.median(sizes):.2%}, worst {max(sizes):.2%}; {beyond} beyond {AIM:.0%}; "
        f"{(time.perf_counter() - began) / len(every):.2f} s each"
    )
    return 0


_KEYS: dict[str, Callable[[Outcome], str]] = {
    "family": lambda one: str(one.case.config["model_type"]),
    "method": lambda one: (
        f"{one.case.spec.train.method}"
        + (f" {one.case.spec.train.quantize_bits} bits" * (one.case.spec.train.method == "qlora"))
        + " dora" * one.case.spec.train.dora
    ),
    "recomputation": lambda one: "on" if one.case.spec.train.gradient_checkpointing else "off",
    "attention": lambda one: f"{one.case.spec.model.attention} on {one.case.card.name}",
    "packing": lambda one: "packed" if one.case.spec.data.packing else "rows",
    "optimizer": lambda one: str(one.case.spec.train.optimizer),
    "format": lambda one: str(one.case.spec.model.dtype),
}


def _table(name: str, done: Sequence[Outcome], key: Callable[[Outcome], str]) -> None:
    print(f"\n{name:<28}{'settings':>9}{'mean':>8}{'bias':>9}{'worst':>9}{'beyond':>8}")
    for value in sorted({key(one) for one in done}):
        errors = [one.error for one in done if key(one) == value]
        beyond = sum(abs(error) > AIM for error in errors)
        mean = statistics.mean(map(abs, errors))
        print(
            f"{value:<28}{len(errors):>9}{mean:>8.2%}{statistics.mean(errors):>+9.2%}"
            f"{max(errors, key=abs):>+9.2%}{beyond:>8}"
        )


def _explain(one: Outcome) -> None:
    print(f"  {one.error:+.2%} of {sum(one.seen) / 2**20:.1f} MiB  {one.case.says}")
    print(f"      said at {one.said_moment}, seen at {one.seen_moment}; MiB said - seen:", end="")
    for name, said, seen in zip(TENSOR_COMPONENTS, one.said, one.seen, strict=True):
        if said or seen:
            print(f" {name} {said / 2**20:.1f} {(said - seen) / 2**20:+.1f};", end="")
    print()


def _faults(failed: Sequence[Outcome]) -> None:
    if failed:
        print(f"\nnot compared: {len(failed)}")
    for fault in sorted({one.fault for one in failed}):
        named = [one for one in failed if one.fault == fault]
        print(f"  {len(named):4d}  {fault}  ({named[0].case.says})")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main(sys.argv[1:]))
