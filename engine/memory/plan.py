"""From a spec to the recipe of its step: what the worker, TRL and PEFT will make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.errors import TailfinError
from engine.memory.cards import Card
from engine.memory.model_shape import DTYPE_BYTES, ModelShape
from engine.memory.recipe import Kernel, Recipe
from engine.spec import Spec

# c10/cuda/CUDACachingAllocator: kMinBlockSize
_CUDA_GRANULE = 512
# aten/src/ATen/cuda/CublasHandlePool.cpp: :4096:2:16:8 in general, 32 MiB on Hopper and on the
# Blackwell of data centres
_BLAS_BYTES = 4096 * 1024 * 2 + 16 * 1024 * 8
_BLAS_BYTES_HOPPER = 32 * 1024 * 1024
# peft/utils/transformers_weight_conversion.py _MOE_TARGET_MODULE_MAPPING
_EXPERT_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "mixtral": {"router": ("gate",), "gate_up": ("w1", "w3"), "down": ("w2",)},
    "qwen3_moe": {
        "router": ("gate",),
        "gate_up": ("gate_proj", "up_proj"),
        "down": ("down_proj",),
    },
}


@dataclass(frozen=True, slots=True)
class Targets:
    """Modules that get an adapter: linears by name, and tensors of a mixture of experts."""

    linears: frozenset[str]
    experts: frozenset[str]


def plan_step(
    shape: ModelShape,
    spec: Spec,
    length: int,
    card: Card,
    *,
    rows: int = 0,
    padded: bool | None = None,
    packed: bool | None = None,
) -> Recipe:
    """The recipe of one micro-batch of `length` tokens per row on `card`.

    `rows` is the micro-batch (the spec's own when 0). `padded` says that rows of a batch differ in
    length, which costs an attention mask; it is assumed for every batch of more than one row.
    """
    train = spec.train
    dtype = pick_dtype(spec, card)
    item = DTYPE_BYTES[dtype]
    # engine/worker/arguments.py: over a half-precision base, and for whole weights where the card
    # computes in bfloat16
    autocast = item == 2 or (card.has_bf16 and train.method in ("full", "freeze"))
    compute_item = 2 if autocast else item
    bits = train.quantize_bits if train.method == "qlora" else 0
    adapts = train.method in ("lora", "qlora")
    targets = resolve_targets(shape, train.targets) if adapts else Targets(frozenset(), frozenset())
    batch = rows or train.micro_batch
    is_packed = spec.data.packing if packed is None else packed
    is_padded = (batch > 1 if padded is None else padded) and not is_packed
    # TRL's collator joins packed rows into a single one of the whole batch
    height, width = (1, batch * length) if is_packed else (batch, length)
    windowed = bool(shape.sliding_window) and width >= shape.sliding_window
    kernel, has_mask = _attention(
        spec, shape, card, compute_item, is_padded or is_packed or windowed
    )
    if kernel == "efficient" and dtype == "bfloat16" and not card.has_bf16:
        kernel = "math"  # sdp_utils.cpp: the memory-efficient kernel wants sm80 for bfloat16
    return Recipe(
        rows=height,
        length=width,
        granule=_CUDA_GRANULE if card.is_gpu else 1,
        on_gpu=card.is_gpu,
        blas_workspace=2 * blas_workspace(card),
        accumulating=train.accumulation > 1,
        base_item=item,
        norm_item=item,
        embedding_item=item,
        head_item=item,
        compute_item=compute_item,
        autocast=autocast,
        bits=bits,
        double_quant=train.double_quant and bits == 4,
        trains_base=not adapts,
        trains_head=train.method == "full",
        targets=targets.linears,
        expert_targets=targets.experts,
        rank=train.rank if adapts else 0,
        # PEFT lifts adapters on half-precision bases to float32, TRL casts those on quantised
        # bases to bfloat16 (trl/trainer/sft_trainer.py 1.16)
        lora_item=2 if bits else 4,
        casts_adapter=bool(bits) and dtype == "float16",
        dropout=train.dropout > 0 and adapts,
        dora=train.dora and adapts,
        kernel=kernel,
        grouped=not has_mask and shape.head_dim <= 256,  # use_gqa_in_sdpa of transformers
        mask_item=(item if kernel == "eager" else 1) if has_mask else 0,
        casts_scores=dtype != "float16" or not card.is_gpu,
        unpads=spec.model.attention == "flash_attention_2" and is_padded,
        checkpointing=train.gradient_checkpointing,
    )


def blas_workspace(card: Card) -> int:
    """Bytes of cuBLAS's work buffer, which each thread that multiplies holds for good."""
    if not card.is_gpu:
        return 0
    return _BLAS_BYTES_HOPPER if card.capability in ((9, 0), (10, 0)) else _BLAS_BYTES


def pick_dtype(spec: Spec, card: Card) -> Literal["float32", "bfloat16", "float16"]:
    """Number format of the base weights, by the worker's own rule."""
    if spec.model.dtype != "auto":
        return spec.model.dtype
    if not card.is_gpu:
        return "float32"
    if card.has_bf16:
        return "bfloat16"
    return "float32" if spec.train.method in ("full", "freeze") else "float16"


def resolve_targets(shape: ModelShape, words: str) -> Targets:
    """What `train.targets` means for this model; raises TailfinError for names it does not have."""
    linears = frozenset(linear.name for kind in shape.kinds for linear in kind.linears)
    experts = _EXPERT_NAMES.get(shape.model_type, {})
    as_experts = {name for names in experts.values() for name in names}
    names = {word.strip().rpartition(".")[2] for word in words.split(",") if word.strip()}
    if names == {"all-linear"}:
        return Targets(linears - as_experts, frozenset(experts))
    unknown = sorted(names - linears - as_experts)
    if unknown or not names:
        raise TailfinError(
            f"train.targets names {', '.join(unknown) or 'nothing'}, which this model does not have"
            " among its linear layers.",
            f"Choose from: {', '.join(sorted(linears | as_experts))}; or all-linear.",
            where="train.targets",
            error_id="budget.targets",
        )
    whole = frozenset(part for part, words_ in experts.items() if names.issuperset(words_))
    return Targets(frozenset(names) & (linears - as_experts), whole)


def _attention(
    spec: Spec, shape: ModelShape, card: Card, item: int, needs_mask: bool
) -> tuple[Kernel, bool]:
    """The kernel that runs, and whether a mask of all token pairs is held."""
    wanted = spec.model.attention
    if wanted == "flash_attention_2":
        return "flash", False
    if wanted == "eager" or not shape.supports_sdpa:
        return "eager", True
    if not card.is_gpu:
        return "flash", needs_mask
    # sdp_utils.cpp: flash wants half precision and no mask, the memory-efficient kernel refuses
    # grouped heads; what neither takes falls to the math kernel, which writes the scores
    if needs_mask:
        return "efficient", True
    if item == 2 and card.has_flash and shape.head_dim <= 256:
        return "flash", False
    return ("efficient" if shape.heads == shape.kv_heads else "math"), False
