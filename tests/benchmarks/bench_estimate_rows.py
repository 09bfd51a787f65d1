"""Compares the closed estimate with published peaks, row by row, and times it.

    python tests/benchmarks/bench_estimate_rows.py [ROWS.csv]

Without a file of published rows it only times the estimate.
The rows come from other stacks than the one tailfin installs. Two of them are described here as
recipes of the same formulas, from their sources: fitcheck-llm's plain transformers + PEFT loop on a
T4 (scripts/measure.py of its sdist) and the fms-acceleration benchmarks with TRL 0.13 on one A100.
All other rows are listed as not covered. Nothing is fitted: the same recipe serves all its rows.
"""

from __future__ import annotations

import csv
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from engine.memory.budget import GIB, Phase
from engine.memory.cards import Card, find_card
from engine.memory.estimate import estimate
from engine.memory.model_shape import ModelShape, read_shape
from engine.memory.plan import plan_step
from engine.memory.recipe import Recipe
from engine.spec import DataSpec, ModelSpec, Spec, TrainSpec

# sizes from each model's public config.json
CONFIGS: dict[str, dict[str, Any]] = {
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": {
        "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 22,
        "num_attention_heads": 32, "num_key_value_heads": 4, "intermediate_size": 5632,
        "vocab_size": 32000,
    },
    "HuggingFaceTB/SmolLM2-1.7B": {
        "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 24,
        "num_attention_heads": 32, "num_key_value_heads": 32, "intermediate_size": 8192,
        "vocab_size": 49152, "tie_word_embeddings": True,
    },
    "HuggingFaceTB/SmolLM2-135M": {
        "model_type": "llama", "hidden_size": 576, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536,
        "vocab_size": 49152, "tie_word_embeddings": True,
    },
    "Qwen/Qwen2.5-1.5B-Instruct": {
        "model_type": "qwen2", "hidden_size": 1536, "num_hidden_layers": 28,
        "num_attention_heads": 12, "num_key_value_heads": 2, "intermediate_size": 8960,
        "vocab_size": 151936, "tie_word_embeddings": True,
    },
    "mistralai/Mistral-7B-v0.1": {
        "model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
        "vocab_size": 32000, "sliding_window": 4096,
    },
}  # fmt: skip
CONFIGS["Qwen/Qwen2.5-Coder-1.5B-Instruct"] = CONFIGS["Qwen/Qwen2.5-1.5B-Instruct"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One published row beside its prediction; GiB of tensors, and reserved or process memory."""

    label: str
    stack: str
    measured: float
    predicted: float
    outer_name: str
    outer_measured: float
    outer_predicted: float

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1

    @property
    def outer_error(self) -> float:
        return self.outer_predicted / self.outer_measured - 1


def main(path: str) -> None:
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    outcomes, others = [], Counter[str]()
    for row in rows:
        outcome = outcome_of(row)
        if outcome is None:
            others[f"{row['framework']} on {row['gpu']}"] += 1
        else:
            outcomes.append(outcome)
    for stack in sorted({outcome.stack for outcome in outcomes}):
        _table(stack, [outcome for outcome in outcomes if outcome.stack == stack])
    print("tensors, all covered rows:", _summary([o.error for o in outcomes]))
    print(f"not covered: {sum(others.values())} rows of {len(others)} other stacks or devices")
    for name, count in others.most_common():
        print(f"  {count:4d}  {name}")


def outcome_of(row: dict[str, str]) -> Outcome | None:
    """The prediction for a row of a stack that is described here, else None."""
    return _fitcheck(row) or _fms(row)


def _fitcheck(row: dict[str, str]) -> Outcome | None:
    """A plain loop: kbit preparation, float32 adapters, no autocast, full logits kept."""
    if "fitcheck-llm" not in row["source"] or row["model"] not in CONFIGS:
        return None
    shape = _shape(row["model"])
    quantised = row["method"] == "QLoRA-nf4"
    spec = _spec(row, method="qlora" if quantised else "lora", double_quant=False)
    length, card = int(row["seq_len"]), find_card("T4")
    wide = 4 if quantised else 2  # prepare_model_for_kbit_training lifts all that is not quantised
    eager = row["attention_impl"] == "eager"
    recipe = replace(
        _plain(shape, spec, length, card),
        norm_item=wide,
        embedding_item=wide,
        head_item=wide,
        lora_item=4,
        autocast=False,
        kernel="eager" if eager else "efficient",
        grouped=False,  # measure.py repeats keys and values before the kernel
        mask_item=wide if eager else 0,
        fused_head=False,
        keeps_logits=True,
        accumulating=False,
    )
    reserved = float(_note(row, "reserved_gib"))
    return _outcome(row, shape, spec, length, card, recipe, "reserved", reserved)


def _fms(row: dict[str, str]) -> Outcome | None:
    """TRL 0.13 with transformers 4.48, on one card and without kernels of another project."""
    accel = _note(row, "accel") if "fms" in row["framework"] else ""
    plain = accel in ("none", "baseline-peft-bnb", "accelerated-peft-bnb")
    if not plain or row["model"] not in CONFIGS or row["gpu"] != "A100-80GB":
        return None
    if not row["seq_len"].isdigit() or "tf4.48" not in row["notes"]:
        return None
    shape = _shape(row["model"])
    quantised = row["method"] == "QLoRA-nf4"
    method = {"full": "full", "LoRA": "lora", "QLoRA-nf4": "qlora"}[row["method"]]
    spec = _spec(row, method=method, double_quant=False, dropout=0.1)
    length, card = int(row["seq_len"]), find_card("A100 80GB")
    # peft's preparation, then TRL's peft_module_casting_to_bf16: norms float32, the rest bfloat16.
    # The accelerated plugin leaves both out.
    prepared = accel == "baseline-peft-bnb"
    recipe = replace(
        _plain(shape, spec, length, card),
        norm_item=4 if prepared else 2,
        lora_item=2 if quantised else 4,
        autocast=_note(row, "bf16_flag") == "TRUE",
        kernel="flash",
        mask_item=0,
        grouped=True,
        unpads=False,
        fused_head=False,
        copies_shifted_logits=True,
        accumulating=False,
    )
    process = float(_note(row, "nvidia_smi_minus_baseline_gib"))
    return _outcome(row, shape, spec, length, card, recipe, "process", process)


def _outcome(
    row: dict[str, str],
    shape: ModelShape,
    spec: Spec,
    length: int,
    card: Card,
    recipe: Recipe,
    outer_name: str,
    outer: float,
) -> Outcome:
    phase = estimate(shape, spec, length, card, recipe=recipe, evaluation=recipe).phase("train")
    predicted = phase.tensor_bytes
    if "foreach" in row["optimizer"] or row["optimizer"] == "adamw fp32":
        predicted = max(predicted, _foreach_step(phase))
    wide = phase.reserved_bytes if outer_name == "reserved" else phase.process_bytes
    short = row["model"].rpartition("/")[2]
    label = f"{short} {row['method']} {row['seq_len']}x{row['micro_batch']} {row['attention_impl']}"
    stack = "fitcheck-llm 0.3.1, T4" if outer_name == "reserved" else "fms-acceleration, A100"
    return Outcome(
        label, stack, float(row["measured_peak_gib"]), predicted / GIB, outer_name, outer,
        (wide + predicted - phase.tensor_bytes) / GIB,
    )  # fmt: skip


def _foreach_step(phase: Phase) -> int:
    """AdamW of the time: for each a list of temporaries as large as the trained weights."""
    trained = phase.size("adapter") or phase.size("base weights")
    held = phase.size("base weights") + phase.size("adapter") + phase.size("optimizer")
    return held + 2 * trained


def _plain(shape: ModelShape, spec: Spec, length: int, card: Card) -> Recipe:
    return plan_step(shape, spec, length, card, padded=False)


def _spec(row: dict[str, str], **train: Any) -> Spec:
    words = [f"{name.strip()}_proj" for name in row["target_modules"].split(",") if name.strip()]
    return Spec(
        model=ModelSpec(
            path="m", dtype="float16" if row["gpu"].startswith("Tesla") else "bfloat16"
        ),
        data=DataSpec(path="d"),
        train=TrainSpec(
            micro_batch=int(row["micro_batch"]),
            accumulation=1,
            rank=int(row["rank"] or 16),
            targets=",".join(words) or "all-linear",
            gradient_checkpointing=row["grad_ckpt"] == "yes",
            **train,
        ),
    )


def _shape(model: str) -> ModelShape:
    return read_shape(CONFIGS[model])


def _note(row: dict[str, str], name: str) -> str:
    found = re.search(rf"{name}=([^;]+)", row["notes"])
    return found.group(1) if found else ""


def _table(stack: str, outcomes: list[Outcome]) -> None:
    print(stack)
    print(
        f"  {'row':58s} {'tensors':>8s} {'said':>8s} {'error':>7s}  {'':8s} {'is':>7s} {'said':>7s}"
    )
    for o in outcomes:
        print(
            f"  {o.label[:58]:58s} {o.measured:8.3f} {o.predicted:8.3f} {o.error:+7.1%}  "
            f"{o.outer_name:8s} {o.outer_measured:7.2f} {o.outer_predicted:7.2f} "
            f"{o.outer_error:+7.1%}"
        )
    print(f"  tensors: {_summary([o.error for o in outcomes])}")
    print(f"  {outcomes[0].outer_name}: {_summary([o.outer_error for o in outcomes])}\n")


def _summary(errors: list[float]) -> str:
    sizes = [abs(error) for error in errors]
    worst = max(errors, key=abs)
    return (
        f"{len(errors)} rows, mean error {statistics.mean(sizes):.1%}, "
        f"bias {statistics.mean(errors):+.1%}, worst {worst:+.1%}"
    )


def _time() -> None:
    shape = _shape("mistralai/Mistral-7B-v0.1")
    specs = list(_specs())
    for spec in specs:
        estimate(shape, spec, 2048, find_card("A100 80GB"))
    times = []
    for spec in specs * 20:
        began = time.perf_counter()
        estimate(shape, spec, 2048, find_card("A100 80GB"))
        times.append((time.perf_counter() - began) * 1e3)
    print(f"time per estimate: median {statistics.median(times):.2f} ms, worst {max(times):.2f} ms")


def _specs() -> Iterator[Spec]:
    base = {"model": ModelSpec(path="m"), "data": DataSpec(path="d")}
    for method in ("lora", "qlora", "full", "freeze"):
        for checkpointing in (True, False):
            train = TrainSpec(method=method, gradient_checkpointing=checkpointing)
            yield Spec(**base, train=train)


if __name__ == "__main__":
    _time()
    if len(sys.argv) > 1:
        main(sys.argv[1])
