"""What a simulated step is made of: the worker's own decisions, as values."""

from __future__ import annotations

from dataclasses import dataclass

from engine.memory.cards import Card
from engine.memory.plan import pick_dtype
from engine.spec import Spec

# c10/cuda/CUDACachingAllocator: kMinBlockSize
_CUDA_GRANULE = 512


@dataclass(frozen=True, slots=True)
class Batch:
    """One micro-batch as the collator hands it on.

    `padded` says that its rows differ in length, so that an attention mask is made; packed rows
    come as a single one of the whole batch, with `documents` of them in it.
    """

    rows: int
    length: int
    padded: bool
    documents: int = 0

    @property
    def packed(self) -> bool:
        return self.documents > 0

    @property
    def needs_mask(self) -> bool:
        """Whether a causal mask alone would not do."""
        return self.padded or self.documents > 1


@dataclass(frozen=True, slots=True)
class Setting:
    """`dtype` is the format of the base weights (`bfloat16`, ...), `bits` 4, 8 or 0."""

    spec: Spec
    card: Card
    dtype: str
    bits: int
    train: Batch
    evaluation: Batch

    @property
    def granule(self) -> int:
        return _CUDA_GRANULE if self.card.is_gpu else 1

    @property
    def adapts(self) -> bool:
        return self.spec.train.method in ("lora", "qlora")

    @property
    def autocast(self) -> str:
        """The format that autocast computes in, or an empty string (engine.worker.arguments)."""
        trains_base = self.spec.train.method in ("full", "freeze")
        if self.dtype == "bfloat16" or (self.card.has_bf16 and trains_base):
            return "bfloat16"
        return "float16" if self.dtype == "float16" else ""


def setting_of(spec: Spec, length: int, card: Card, *, padded: bool | None = None) -> Setting:
    """The setting of rows of `length` tokens; rows differ in length where there are several."""
    train = spec.train
    # a packed row holds several documents; for evaluation rows are joined, but not packed before
    # (trl/trainer/sft_trainer.py: packing sets padding_free, which is the collator's for both)
    joined = spec.data.packing
    eval_rows = spec.eval.micro_batch or train.micro_batch
    return Setting(
        spec=spec,
        card=card,
        dtype=pick_dtype(spec, card),
        bits=train.quantize_bits if train.method == "qlora" else 0,
        train=_batch(train.micro_batch, length, padded, max(train.micro_batch, 2) * joined),
        evaluation=_batch(eval_rows, length, padded, eval_rows * joined),
    )


def _batch(rows: int, length: int, padded: bool | None, documents: int) -> Batch:
    if documents:
        return Batch(1, rows * length, padded=False, documents=documents)
    return Batch(rows, length, padded=rows > 1 if padded is None else padded)
