"""Rows that are known to have run out of memory, and whether an estimate would have said so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.memory.budget import GIB
from engine.memory.cards import Card, find_card
from engine.memory.estimate import estimate
from engine.memory.model_shape import ModelShape, read_shape
from engine.memory.plan import plan_step
from engine.spec import Spec
from tests.benchmarks.published.rows import CONFIGS, Row

_LLAMA_2_7B: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "intermediate_size": 11008,
    "vocab_size": 32000,
}  # fmt: skip
# sizes from each model's public config.json
_MORE: dict[str, dict[str, Any]] = {
    "Llama-2-7B": _LLAMA_2_7B,
    "Llama-2-13B": {
        **_LLAMA_2_7B, "hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40,
        "num_key_value_heads": 40, "intermediate_size": 13824,
    },
    "Llama-3.1-8B": {
        **_LLAMA_2_7B, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
    },
}  # fmt: skip
_METHODS = {"full": "full", "LoRA": "lora", "QLoRA-nf4": "qlora", "QLoRA-nf4-dq": "qlora"}
_CARDS = {
    "A100-80GB": "A100 80GB",
    "A100-SXM4-40GB": "A100 40GB",
    "A100 40GB": "A100 40GB",
    "A10G 24GB": "A10",
}


def print_verdicts(rows: list[Row]) -> None:
    """Each row that ran out, with the process memory that the closed estimate gives its settings.

    The settings are read as a step with full logits, or with a fused loss where the row had one.
    Kernels of other projects are not modelled, so this is about the verdict alone.
    """
    failed = [row for row in rows if row.ran_out]
    print(f"known to have run out of memory: {len(failed)} rows")
    counted = wrong = 0
    for row in failed:
        name = f"{row['model'].rpartition('/')[2]} {row['method']} {row['seq_len']}"
        name += f"x{row['micro_batch']} on {row['gpu']}"
        told = _needed(row)
        if isinstance(told, str):
            print(f"  {name:62s} not described: {told}")
            continue
        needed, card = told
        fits = needed <= card.usable_gib
        counted, wrong = counted + 1, wrong + fits
        verdict = "FITS (wrong)" if fits else "does not fit"
        print(f"  {name:62s} {needed:7.1f} of {card.usable_gib:5.1f} GiB: {verdict}")
    print(f"  {counted} judged, {wrong} of them called fits\n")


def _needed(row: Row) -> tuple[float, Card] | str:
    """Process memory in GiB and the card, or why the row cannot be judged."""
    config = {**CONFIGS, **_MORE}.get(row["model"])
    if "(" in row["gpu"]:
        return "several cards"
    if row["gpu"] not in _CARDS:
        return "card"
    if config is None or config["model_type"] == "gpt_bigcode" or row["method"] not in _METHODS:
        return "model or method"
    length = row["seq_len"].lstrip("<=")
    if not length.isdigit():
        return "length"
    card = find_card(_CARDS[row["gpu"]])
    phase = _phase(row, read_shape(config), int(length), card)
    return phase / GIB, card


def _phase(row: Row, shape: ModelShape, length: int, card: Card) -> int:
    targets = ",".join(row.targets) if row["target_modules"] != "all linear" else "all-linear"
    spec = Spec.model_validate(
        {
            "model": {"path": "m", "dtype": "bfloat16"},
            "data": {"path": "d"},
            "train": {
                "method": _METHODS[row["method"]],
                "micro_batch": row.rows,
                "accumulation": 1,
                "rank": row.rank,
                "targets": targets or "all-linear",
                "gradient_checkpointing": row["grad_ckpt"].startswith("yes"),
                "double_quant": row["method"].endswith("dq"),
            },
        }
    )
    plan = plan_step(shape, spec, length, card, padded=False)
    recipe = replace(plan, kernel="flash", mask_item=0, fused_head="liger" in row.note("accel"))
    budget = estimate(shape, spec, length, card, recipe=recipe, evaluation=recipe)
    return budget.phase("train").process_bytes
