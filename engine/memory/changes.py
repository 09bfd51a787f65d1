"""The ladder of changes that lower memory: what each sets, and what it costs in speed or quality.

Each rung holds alternatives, mildest first; of one rung at most one is taken. `weight` orders
changes by how much is given up. It is an order, not a measurement: it follows the usual advice
(micro-batch, attention, recomputation, optimizer; then, as the person's decision, bits, length,
adapter). `slowdown` is the time of a step afterwards over before, where the number of operations
gives it, and None where only a measurement on the card could say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from engine.memory.budget import Budget
from engine.memory.model_shape import ModelShape
from engine.memory.plan import resolve_targets
from engine.spec import Spec

Cost = Literal["none", "speed", "quality"]
SHORTEST = 256
_LOWEST_RANK = 8
# Multiplications of a pass as multiples of the forward pass. Backward takes two of them where
# weights are trained and one where they are frozen (gradients of the inputs alone, the adapter's
# own left out); recomputation adds one forward pass.
_WITH_RECOMPUTATION = {True: 4 / 3, False: 3 / 2}
# A pass of fewer tokens does not keep a card busy, so halving it costs more.
_BUSY_TOKENS = 2048
_ATTENTION_LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj")
# What is given up, in an order of its own for speed and for quality.
_HALF_A_PASS, _HALF_AN_IDLE_PASS = 1.0, 2.0
_KERNEL, _RECOMPUTATION, _PAGING = 0.0, 5.0, 12.0
_OPTIMIZER, _DROPOUT, _BITS, _METHOD, _LENGTH, _RANK, _TARGETS = 1.0, 1.0, 2.0, 4.0, 4.0, 5.0, 6.0


@dataclass(frozen=True, slots=True)
class Change:
    """Settings by dotted path, what they cost in words, and by how much a step slows down."""

    says: str
    values: dict[str, object]
    cost: Cost
    gives_up: str
    weight: float
    slowdown: float | None = 1.0


def rungs(shape: ModelShape, spec: Spec, budget: Budget) -> tuple[tuple[Change, ...], ...]:
    """Every rung that this spec has, in the order of the ladder; none of them is empty."""
    found = (
        tuple(_evaluation(spec)),
        tuple(_rows(spec, budget.length)),
        tuple(_kernel(shape, spec)),
        tuple(_packing(spec)),
        tuple(_scales(spec)),
        tuple(_recomputation(spec)),
        tuple(_paging(spec, budget)),
        tuple(_optimizer(spec)),
        tuple(_dropout(spec)),
        tuple(_trained(spec)),
        tuple(_bits(spec)),
        tuple(_length(budget.length)),
        tuple(_adapter(shape, spec)),
    )
    return tuple(rung for rung in found if rung)


def _evaluation(spec: Spec) -> Iterator[Change]:
    rows = spec.eval.micro_batch or spec.train.micro_batch
    if rows > 1:
        gives_up = "evaluations take longer; how much is unmeasured"
        values: dict[str, object] = {"eval.micro_batch": 1}
        yield Change("one row per evaluation pass", values, "none", gives_up, 0.5)


def _rows(spec: Spec, length: int) -> Iterator[Change]:
    train = spec.train
    batch, weight = train.micro_batch, 0.0
    while batch > 1:
        smaller = batch // 2 if batch % 2 == 0 else 1
        factor = train.micro_batch // smaller
        weight += _HALF_A_PASS if smaller * length >= _BUSY_TOKENS else _HALF_AN_IDLE_PASS
        values: dict[str, object] = {
            "train.micro_batch": smaller,
            "train.accumulation": train.accumulation * factor,
        }
        gives_up = "the effective batch stays; smaller passes can leave the card idle (unmeasured)"
        says = f"micro-batch {smaller}, accumulation {train.accumulation * factor}"
        yield Change(says, values, "none", gives_up, weight, None)
        batch = smaller


def _kernel(shape: ModelShape, spec: Spec) -> Iterator[Change]:
    if spec.model.attention == "eager" and shape.supports_sdpa:
        gives_up = "nothing: the same result, and no slower"
        yield Change("sdpa attention", {"model.attention": "sdpa"}, "none", gives_up, _KERNEL)


def _packing(spec: Spec) -> Iterator[Change]:
    """Packed rows share one mask over the whole pass, which grows with its square."""
    if spec.data.packing and spec.model.attention != "flash_attention_2":
        gives_up = "short rows are padded to the longest of their pass (unmeasured)"
        values: dict[str, object] = {"data.packing": False}
        yield Change("rows not packed", values, "speed", gives_up, _RECOMPUTATION + 1, None)


def _scales(spec: Spec) -> Iterator[Change]:
    train = spec.train
    if train.method == "qlora" and train.quantize_bits == 4 and not train.double_quant:
        gives_up = "scales in 8 bits; no loss of quality was seen (QLoRA, arXiv 2305.14314)"
        yield Change("quantised scales", {"train.double_quant": True}, "none", gives_up, _KERNEL)


def _recomputation(spec: Spec) -> Iterator[Change]:
    if spec.train.gradient_checkpointing:
        return
    slowdown = _WITH_RECOMPUTATION[spec.train.method in ("full", "freeze")]
    gives_up = f"each layer computed twice: a step takes up to {slowdown - 1:.0%} longer (counted)"
    values: dict[str, object] = {"train.gradient_checkpointing": True}
    yield Change("gradient checkpointing", values, "speed", gives_up, _RECOMPUTATION, slowdown)


def _paging(spec: Spec, budget: Budget) -> Iterator[Change]:
    train = spec.train
    if train.method in ("full", "freeze") and train.optimizer == "adamw" and budget.card.is_gpu:
        gives_up = "optimizer states in RAM, moved to the card for each step (unmeasured)"
        values: dict[str, object] = {"train.optimizer": "paged_adamw_32bit"}
        yield Change("paged optimizer", values, "speed", gives_up, _PAGING, None)


def _optimizer(spec: Spec) -> Iterator[Change]:
    train = spec.train
    eight: dict[str, object] = {"train.optimizer": "adamw_8bit"}
    if train.method in ("full", "freeze") and train.optimizer == "adamw":
        gives_up = "optimizer states rounded to 8 bits"
        yield Change("8-bit optimizer", eight, "quality", gives_up, _OPTIMIZER)


def _dropout(spec: Spec) -> Iterator[Change]:
    if spec.train.method in ("lora", "qlora") and spec.train.dropout:
        gives_up = "less resistance to over-fitting on little data"
        yield Change("no dropout", {"train.dropout": 0.0}, "quality", gives_up, _DROPOUT)


def _trained(spec: Spec) -> Iterator[Change]:
    train = spec.train
    if train.method == "freeze" and train.trainable_layers > 1:
        half = train.trainable_layers // 2
        values: dict[str, object] = {"train.trainable_layers": half}
        gives_up = "fewer layers learn"
        yield Change(f"{half} trained layers", values, "quality", gives_up, _METHOD)
    if train.method == "full":
        gives_up = "an adapter learns instead of every weight; a step has fewer operations"
        adapter: dict[str, object] = {"train.method": "lora"}
        yield Change("LoRA instead of all weights", adapter, "quality", gives_up, _METHOD, 2 / 3)
        both: dict[str, object] = {"train.method": "qlora", "train.quantize_bits": 4}
        gives_up = "an adapter learns, on weights rounded to 4 bits (time unmeasured)"
        says = "LoRA on 4-bit weights (qlora)"
        yield Change(says, both, "quality", gives_up, _METHOD + _BITS, None)


def _bits(spec: Spec) -> Iterator[Change]:
    train = spec.train
    values: dict[str, object] = {"train.quantize_bits": 4}
    if train.method == "lora":
        gives_up = "weights rounded to 4 bits, and unpacked in each pass (time unmeasured)"
        values = {"train.method": "qlora", **values}
        yield Change("4-bit base weights (qlora)", values, "quality", gives_up, _BITS, None)
    if train.method == "qlora" and train.quantize_bits == 8:
        gives_up = "weights rounded to 4 instead of 8 bits (time unmeasured)"
        yield Change("4 instead of 8 bits", values, "quality", gives_up, _BITS, None)


def _length(length: int) -> Iterator[Change]:
    shorter, weight = length // 2, _LENGTH
    while shorter >= SHORTEST:
        values: dict[str, object] = {"data.max_length": shorter}
        gives_up = "what longer rows say after that is never learned"
        says = f"rows cut at {shorter} tokens"
        yield Change(says, values, "quality", gives_up, weight, shorter / length)
        shorter, weight = shorter // 2, weight * 2


def _adapter(shape: ModelShape, spec: Spec) -> Iterator[Change]:
    train = spec.train
    if train.method not in ("lora", "qlora"):
        return
    half = train.rank // 2
    if half >= _LOWEST_RANK:
        # as Hu et al. scale: alpha / rank stays
        values: dict[str, object] = {"train.rank": half, "train.alpha": train.alpha / 2}
        gives_up = "the adapter can learn less"
        yield Change(f"rank {half}, alpha {train.alpha / 2:g}", values, "quality", gives_up, _RANK)
    targets = resolve_targets(shape, train.targets)
    kept = [name for name in _ATTENTION_LINEARS if name in targets.linears]
    if kept and len(kept) < len(targets.linears) + len(targets.experts):
        gives_up = "the feed-forward part learns nothing, where adapters help most"
        fewer: dict[str, object] = {"train.targets": ",".join(kept)}
        yield Change("adapters on attention alone", fewer, "quality", gives_up, _TARGETS)
