"""What an estimate takes for granted, said as findings."""

from __future__ import annotations

from collections.abc import Iterator

from engine.findings import Finding
from engine.memory.cards import Card
from engine.memory.model_shape import ModelShape
from engine.memory.recipe import Recipe
from engine.spec import Spec

# Rows of this many tokens are assumed while nobody has counted them.
_ASSUMED_LENGTH = 1024


def assumed_length(shape: ModelShape | None) -> int:
    """Tokens per row while nobody said or counted any: never more than the model has positions."""
    limit = shape.max_positions if shape is not None else 0
    return min(limit or _ASSUMED_LENGTH, _ASSUMED_LENGTH)


def assumptions(
    shape: ModelShape, spec: Spec, length: int, card: Card, recipe: Recipe
) -> Iterator[Finding]:
    """Everything that could make the real figure differ, and what cannot work at all."""
    yield from _conflicts(shape, spec, card, recipe)
    if card.measured_runs:
        yield Finding(
            "budget.calibrated",
            "info",
            f"Corrected by {card.measured_runs} runs on {card.name}: {_corrections(card)}.",
            "tailfin budget --calibration",
        )
    if shape.max_positions and length > shape.max_positions:
        yield Finding(
            "budget.beyond-positions",
            "warn",
            f"{length} tokens per row are more than the model's {shape.max_positions} positions.",
            f"--set data.max_length={shape.max_positions}",
            "data.max_length",
        )
    if recipe.mask_item and recipe.kernel == "efficient":
        yield Finding(
            "budget.mask",
            "info",
            "Rows of different length need an attention mask of all token pairs; rows of equal "
            "length would need less.",
        )
    if recipe.kernel == "math":
        yield Finding(
            "budget.math-attention",
            "warn",
            f"{card.name} has no attention kernel for grouped heads without a mask: torch falls "
            "back to one that writes all scores.",
        )
    if shape.kinds[0].experts is not None:
        yield Finding(
            "budget.experts",
            "info",
            "Experts are counted as transformers 5 stores them: never quantised, whole copies "
            "where they get an adapter.",
        )
    if recipe.bits == 8 and card.is_gpu:
        yield Finding(
            "budget.int8",
            "info",
            "8-bit weights: outlier columns are not modelled; the int8 product was read in the "
            "library's source, not traced.",
        )
    if shape.has_custom_code and spec.model.trust_remote_code:
        yield Finding(
            "budget.custom-code",
            "warn",
            "The model brings its own code; the estimate describes transformers' class of that "
            "name.",
        )
    if spec.train.optimizer.startswith("paged") and card.is_gpu:
        yield Finding(
            "budget.paged",
            "info",
            "Paged optimizer states of large tensors are counted as RAM; they move to the card "
            "for each step and give way when it is full.",
        )


def _corrections(card: Card) -> str:
    said = [f"tensors were at most {card.miss:.0%} above the estimate"]
    if card.reserved_share is not None:
        said.append(f"the allocator holds {card.reserved_share:.0%} more than its tensors")
    if card.is_gpu:
        said.append(f"the process takes {card.context_gib:.2f} GiB before its first tensor")
    return ", ".join(said)


def _conflicts(shape: ModelShape, spec: Spec, card: Card, recipe: Recipe) -> Iterator[Finding]:
    if recipe.expert_targets and (recipe.dropout or recipe.dora):
        yield Finding(
            "budget.expert-adapter",
            "fail",
            "PEFT cannot put dropout or DoRA on experts (peft/tuners/lora/layer.py ParamWrapper).",
            "--set train.dropout=0 --set train.dora=false, or leave the experts out of "
            "train.targets",
            "train.targets",
        )
    if spec.model.attention == "flash_attention_2" and not (
        card.has_flash and recipe.compute_item == 2
    ):
        yield Finding(
            "budget.flash",
            "fail",
            f"flash_attention_2 does not run on {card.name} in this number format.",
            "--set model.attention=sdpa",
            "model.attention",
        )
    if spec.model.attention == "sdpa" and not shape.supports_sdpa:
        yield Finding(
            "budget.sdpa",
            "fail",
            f"transformers has no sdpa attention for {shape.model_type} (scores are soft-capped).",
            "--set model.attention=eager",
            "model.attention",
        )
