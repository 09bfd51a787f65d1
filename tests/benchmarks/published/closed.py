"""The closed estimate of a published row: the same formulas with the recipe of its stack.

Nothing is fitted: one recipe serves all rows of a stack. Sources: fitcheck-llm's scripts/measure.py
and, for fms-acceleration, TRL 0.13, transformers 4.48 and peft 0.13.
"""

from __future__ import annotations

from dataclasses import replace

from engine.errors import TailfinError
from engine.memory.budget import Phase
from engine.memory.estimate import estimate
from engine.memory.model_shape import read_shape
from engine.memory.plan import plan_step
from engine.memory.recipe import Recipe
from engine.spec import DataSpec, ModelSpec, Spec, TrainSpec
from tests.benchmarks.published.rows import PLAIN_LOOP, Row


def closed_bytes(row: Row) -> tuple[int, int] | None:
    """Tensors, and reserved or process memory, in bytes; None for a model it does not know."""
    try:
        shape = read_shape(row.config)
    except TailfinError:
        return None
    spec = spec_of(row)
    plan = plan_step(shape, spec, row.length, row.card, padded=False)
    recipe = _plain_loop(row, plan) if row.stack == PLAIN_LOOP else _older_trl(row, plan)
    phase = estimate(
        shape, spec, row.length, row.card, recipe=recipe, evaluation=recipe
    ).phase("train")  # fmt: skip
    tensors = max(phase.tensor_bytes, _foreach_step(phase))
    wide = phase.reserved_bytes if row.stack == PLAIN_LOOP else phase.process_bytes
    return tensors, wide + tensors - phase.tensor_bytes


def spec_of(row: Row) -> Spec:
    """The settings of a row as a spec."""
    half = "float16" if row["gpu"].startswith("Tesla") else "bfloat16"
    return Spec.model_validate(
        {
            "model": ModelSpec.model_validate({"path": "m", "dtype": half}),
            "data": DataSpec(path="d"),
            "train": TrainSpec.model_validate(
                {
                    "method": row.method,
                    "micro_batch": row.rows,
                    "accumulation": 1,
                    "rank": row.rank,
                    "targets": ",".join(row.targets) or "all-linear",
                    "gradient_checkpointing": row["grad_ckpt"] == "yes",
                    # fms_acceleration_peft framework_plugin_bnb.py
                    "double_quant": row.stack != PLAIN_LOOP,
                    "dropout": 0.0 if row.stack == PLAIN_LOOP else 0.1,
                }
            ),
        }
    )


def _plain_loop(row: Row, plan: Recipe) -> Recipe:
    """Kbit preparation, float32 adapters, no autocast, full logits kept."""
    wide = 4 if row.quantised else 2  # prepare_model_for_kbit_training lifts what is not quantised
    return replace(
        plan,
        norm_item=wide,
        embedding_item=wide,
        head_item=wide,
        lora_item=4,
        autocast=False,
        kernel="eager" if row.eager else "efficient",
        grouped=False,  # measure.py repeats keys and values before the kernel
        mask_item=wide if row.eager else 0,
        fused_head=False,
        keeps_logits=True,
        accumulating=False,
    )


def _older_trl(row: Row, plan: Recipe) -> Recipe:
    """peft's preparation, then TRL's peft_module_casting_to_bf16: norms float32, else bfloat16."""
    return replace(
        plan,
        norm_item=4 if row.prepared else 2,
        lora_item=4,
        autocast=row.autocast,
        kernel="flash",
        mask_item=0,
        grouped=True,
        unpads=False,
        fused_head=False,
        copies_shifted_logits=True,
        accumulating=False,
    )


def _foreach_step(phase: Phase) -> int:
    """AdamW over lists: temporaries as large as the trained weights, beside their gradients."""
    trained = phase.size("adapter") or phase.size("base weights")
    held = phase.size("base weights") + phase.size("adapter") + phase.size("optimizer")
    return held + 2 * trained
