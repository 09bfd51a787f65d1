"""All checks of the GPUs in their order: causes before what follows from them."""

from __future__ import annotations

from engine.doctor import cuda_library, gpu_health, gpu_present, gpu_sharing
from engine.doctor.facts import Box
from engine.findings import Finding


def check_driver(box: Box) -> list[Finding]:
    """The driver's version and the newest CUDA it speaks."""
    gpu = box.gpu
    if not gpu.driver or not gpu.gpus:
        return []
    cuda = f", CUDA up to {gpu.cuda[0]}.{gpu.cuda[1]}" if gpu.cuda[0] else ""
    return [Finding("gpu.driver", "ok", f"NVIDIA driver {gpu.driver}{cuda}.")]


def check_cards(box: Box) -> list[Finding]:
    """One line per card: memory, generation, and whether it computes in bfloat16.

    FastChat#399, LLaMA-Factory#3508, ms-swift#1603: bfloat16 and FlashAttention on older cards.
    """
    findings = []
    for card in box.gpu.seen:
        memory = f"{card.vram_gib:.1f} GiB, {card.free_gib:.1f} GiB free"
        message = f"{card.name}: {memory}"
        if card.capability != (0, 0):
            message += f", compute capability {card.capability[0]}.{card.capability[1]}"
        if card.has_bf16 or card.capability == (0, 0):
            digits = ", bfloat16" if card.has_bf16 else ""
            findings.append(Finding("gpu.card", "ok", f"{message}{digits}.", where=card.where))
            continue
        fix = "Train with: --set model.dtype=float16 --set model.attention=sdpa"
        why = (
            "bfloat16 is emulated there, slowly, or refused, and FlashAttention 2 does not run; "
            "float16 with PyTorch's own attention (fp16 + sdpa) does."
        )
        message += ", no bfloat16 in hardware."
        findings.append(Finding("gpu.no-bf16", "warn", message, fix, card.where, why))
    return findings


CHECKS = (
    *gpu_present.CHECKS,
    cuda_library.check_cuda_library,
    *gpu_sharing.CHECKS[:1],
    *gpu_health.CHECKS,
    *gpu_sharing.CHECKS[1:],
    check_cards,
    check_driver,
)
