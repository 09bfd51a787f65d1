"""Changes that lower the peak, cheapest first, each with what it would bring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from engine.errors import TailfinError
from engine.memory.budget import GIB, Budget
from engine.memory.cards import Card
from engine.memory.estimate import estimate
from engine.memory.model_shape import ModelShape
from engine.spec import Spec

Cost = Literal["none", "speed", "quality"]
_SHORTEST = 256


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change, or several together: the settings, what they cost, and the predicted peak."""

    says: str
    sets: tuple[str, ...]
    cost: Cost
    peak_gib: float
    fits: bool


@dataclass(frozen=True, slots=True)
class _Change:
    says: str
    values: dict[str, object]
    cost: Cost


def remedies(shape: ModelShape, spec: Spec, budget: Budget, *, limit: int = 3) -> list[Remedy]:
    """The first changes worth trying: those that suffice alone, else the best ones together.

    Changes that leave the result as it is come first, then those that cost speed, then those that
    cost quality.
    """
    length, card = budget.length, budget.card
    singles = []
    for change in _changes(shape, spec, budget):
        remedy = _try(shape, spec, length, card, [change])
        if remedy is not None and remedy.peak_gib < budget.peak_gib * 0.99:
            singles.append((change, remedy))
    enough = [remedy for _, remedy in singles if remedy.fits]
    if enough or not singles:
        return enough[:limit]
    listed = [remedy for _, remedy in singles]
    together: list[_Change] = []
    for change, _ in singles:
        together.append(change)
        if len(together) > 1:
            remedy = _try(shape, spec, length, card, together)
            if remedy is not None and remedy.fits:
                return [remedy, *listed][:limit]
    return listed[:limit]


def _changes(shape: ModelShape, spec: Spec, budget: Budget) -> Iterator[_Change]:
    train = spec.train
    if budget.peak.name == "eval" and (spec.eval.micro_batch or train.micro_batch) > 1:
        yield _Change("one row per evaluation pass", {"eval.micro_batch": 1}, "none")
    batch = train.micro_batch
    while batch > 1:
        smaller = batch // 2 if batch % 2 == 0 else 1
        factor = train.micro_batch // smaller
        says = f"micro-batch {smaller}, accumulation {train.accumulation * factor}"
        values: dict[str, object] = {
            "train.micro_batch": smaller,
            "train.accumulation": train.accumulation * factor,
        }
        yield _Change(says, values, "none")
        batch = smaller
    if spec.model.attention == "eager" and shape.supports_sdpa:
        yield _Change("sdpa attention", {"model.attention": "sdpa"}, "none")
    if train.method == "qlora" and train.quantize_bits == 4 and not train.double_quant:
        yield _Change("quantised scales", {"train.double_quant": True}, "none")
    if not train.gradient_checkpointing:
        yield _Change("gradient checkpointing", {"train.gradient_checkpointing": True}, "speed")
    if train.method in ("full", "freeze") and train.optimizer == "adamw":
        yield _Change("8-bit optimizer", {"train.optimizer": "adamw_8bit"}, "quality")
    if train.method == "lora":
        values = {"train.method": "qlora", "train.quantize_bits": 4}
        yield _Change("4-bit base weights (qlora)", values, "quality")
    if train.method == "qlora" and train.quantize_bits == 8:
        yield _Change("4 instead of 8 bits", {"train.quantize_bits": 4}, "quality")
    if train.method == "full":
        yield _Change("LoRA instead of all weights", {"train.method": "lora"}, "quality")
        values = {"train.method": "qlora", "train.quantize_bits": 4}
        yield _Change("LoRA on 4-bit weights (qlora)", values, "quality")
    shorter = budget.length // 2
    while shorter >= _SHORTEST:
        says = f"rows cut at {shorter} tokens"
        yield _Change(says, {"data.max_length": shorter}, "quality")
        shorter //= 2


def _try(
    shape: ModelShape, spec: Spec, length: int, card: Card, changes: list[_Change]
) -> Remedy | None:
    """The changes as one remedy; None where the settings do not go together."""
    values: dict[str, object] = {}
    for change in changes:
        values.update(change.values)
    changed = _changed(spec, values)
    try:
        budget = estimate(shape, changed, changed.data.max_length or length, card)
    except TailfinError:
        return None
    order: tuple[Cost, ...] = ("none", "speed", "quality")
    return Remedy(
        says=" and ".join(_outermost(changes)),
        sets=tuple(f"{path}={_word(value)}" for path, value in values.items()),
        cost=max((change.cost for change in changes), key=order.index),
        peak_gib=budget.peak.process_bytes / GIB,
        fits=budget.fits,
    )


def _outermost(changes: list[_Change]) -> list[str]:
    """What is said of changes where a later one sets the same field again."""
    said = []
    for index, change in enumerate(changes):
        later: set[str] = set().union(*(c.values for c in changes[index + 1 :]))
        if not set(change.values) <= later:
            said.append(change.says)
    return said


def _changed(spec: Spec, values: dict[str, object]) -> Spec:
    sections: dict[str, dict[str, object]] = {}
    for path, value in values.items():
        section, _, name = path.partition(".")
        sections.setdefault(section, {})[name] = value
    return spec.model_copy(
        update={
            section: getattr(spec, section).model_copy(update=fields)
            for section, fields in sections.items()
        }
    )


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
