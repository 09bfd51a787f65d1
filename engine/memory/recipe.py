"""The few facts about libraries, number formats and batch that decide what a step allocates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kernel = Literal["flash", "efficient", "math", "eager"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a forward and backward pass is made of; items are bytes per element.

    `tailfin`'s own recipe comes from `engine.memory.plan`; other stacks (an older TRL, a plain
    loop) are other values of the same fields, which is how published measurements are compared.
    """

    rows: int
    """Rows of the tensor that passes through the layers; packing makes it one long row."""
    length: int
    """Tokens per row, padding included."""
    granule: int
    """Bytes the allocator rounds to: 512 on CUDA (kMinBlockSize, c10/cuda/CUDACachingAllocator)."""
    on_gpu: bool
    blas_workspace: int
    """cuBLAS's work buffers, one for the forward and one for the backward thread."""
    accumulating: bool
    """More than one micro-batch per step, so weight gradients exist while a later one runs."""

    base_item: int
    """Weights of the base that are not quantised."""
    norm_item: int
    embedding_item: int
    head_item: int
    compute_item: int
    """Matrix products of the base."""
    autocast: bool
    bits: int = 0
    """4 or 8 for a quantised base, else 0."""
    double_quant: bool = False
    trains_base: bool = False
    """Base weights of the layers in question are trained themselves (full, freeze)."""
    trains_head: bool = False
    """Embedding, final norm and output head are trained too (full)."""

    targets: frozenset[str] = frozenset()
    expert_targets: frozenset[str] = frozenset()
    """Adapted tensors of a mixture: `router`, `gate_up`, `down`; PEFT folds them into copies."""
    rank: int = 0
    lora_item: int = 4
    casts_adapter: bool = False
    """bfloat16 adapters under float16 autocast: as large, and cast for each product."""
    dropout: bool = False
    evaluating: bool = False
    dora: bool = False

    kernel: Kernel = "flash"
    grouped: bool = True
    """The attention kernel takes grouped key and value heads; else they are repeated."""
    mask_item: int = 0
    """Bytes per score of the attention mask that is held through the pass; 0 without a mask."""
    casts_scores: bool = True
    """Softmax copies scores to float32 first; CUDA reads float16 ones directly (SoftMax.cpp)."""
    unpads: bool = False
    """Flash attention gathers the real tokens of padded rows into copies."""
    checkpointing: bool = True
    fused_head: bool = True
    """TRL's tiled head and loss; else full logits as transformers computes them."""
    keeps_logits: bool = False
    """The caller holds the model's output, logits included, through the backward pass."""
    copies_shifted_logits: bool = False
    """Logits are shifted by a copy (transformers up to 4.48), not by padded labels."""
    counted_labels: int = 0
    """Tokens with a label; 0 counts every token, the largest case."""

    @property
    def tokens(self) -> int:
        return self.rows * self.length

    @property
    def keeps_adapter_format(self) -> bool:
        """PEFT converts nothing round an adapter on a quantised base (peft/tuners/lora/bnb.py).

        It asks `torch.is_autocast_enabled()`, which is about CUDA's autocast alone.
        """
        return bool(self.bits) and self.autocast and self.on_gpu

    @property
    def scores(self) -> int:
        """Entries of one head's attention matrix over the batch."""
        return self.rows * self.length * self.length

    @property
    def product_item(self) -> int:
        """Bytes of what `nn.Linear` returns under this recipe for float weights."""
        return self.compute_item if self.autocast else self.base_item
