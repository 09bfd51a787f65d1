"""What the driver's words mean when a card, or the work on it, is lost; no card is asked.

The words are those of cudaGetErrorString (libcudart 12.9) and nvmlErrorString; what they mean is
from cudaError in NVIDIA's "CUDA Runtime API" and from "Xid Errors" (docs.nvidia.com/deploy).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GpuFault:
    """One way to lose a card: how it is called, what it means, and what to do before a resume.

    `is_maybe_program` says that a faulty program can bring it about too.
    """

    words: tuple[str, ...]
    title: str
    meaning: str
    action: str
    is_maybe_program: bool = False


_ANOTHER_CARD = "Resume on another card; ask the box's owner to reset or replace this one."
_LOOK_AT_XID = (
    "Resume once. If it comes again, look for Xid in the kernel log: 13 and 31 point at a program, "
    "48, 63, 64, 74, 79, 94 and 95 at the card."
)
_FAULTS = (
    GpuFault(
        ("uncorrectable ecc error",),
        "The GPU's memory failed",
        "A fault in the card's memory was more than its error correction could repair (Xid 48, 94 "
        "or 95).",
        _ANOTHER_CARD,
    ),
    GpuFault(
        ("uncorrectable nvlink error", "over nvlink or a hardware error"),
        "The link between the GPUs failed",
        "The driver saw an uncorrectable NVLink or hardware error (Xid 74).",
        _ANOTHER_CARD,
    ),
    GpuFault(
        ("gpu is lost", "fallen off the bus", "gpuislost", "gpu requires restart"),
        "The GPU was lost",
        "The driver cannot reach the card any more (Xid 79): power, heat, the slot or the card.",
        "Restart the box, or take another one; only a restart brings such a card back.",
    ),
    GpuFault(
        ("initialize nvml: unknown error", "nvmlerror_unknown"),
        "The container lost the GPU",
        "The container may not use the card any more, as after `systemctl daemon-reload` on its "
        "host (nvidia-container-toolkit issue 48); the card itself is usually well.",
        "Restart the container, then resume.",
    ),
    GpuFault(
        ("no cuda-capable device is detected", "no cuda gpus are available"),
        "The GPU is gone",
        "The process sees no card any more.",
        "See whether nvidia-smi lists it; restart the container or the box, then resume.",
    ),
    GpuFault(
        ("busy or unavailable",),
        "The GPU could not be used",
        "Another process has the card for itself, or its driver is in a bad state.",
        "See what runs with nvidia-smi, end it or restart the box, then resume.",
    ),
    GpuFault(
        ("system not yet initialized",),
        "The GPUs were not ready",
        "CUDA error 802: the service that links the cards (nvidia-fabricmanager) does not run.",
        "Start it, or have the box's owner do so: systemctl start nvidia-fabricmanager",
    ),
    GpuFault(
        (
            "unsupported display driver / cuda driver combination",
            "driver/library version mismatch",
        ),
        "The GPU's driver does not fit",
        "CUDA error 803: the driver's library and its kernel module are of different versions, as "
        "after an update without a restart.",
        "Restart the box, then resume.",
    ),
    GpuFault(
        ("forward compatibility was attempted on non supported hw",),
        "The GPU's driver does not fit",
        "CUDA error 804: a newer CUDA library than the driver, on a card that does not allow it.",
        "Take the compat folder out of LD_LIBRARY_PATH, or update the driver: tailfin doctor",
    ),
    GpuFault(
        ("cuda error: initialization error", "cuda driver error: initialization error"),
        "The GPU's driver did not start",
        "CUDA error 3: the driver could not be initialised.",
        "See whether nvidia-smi lists the card: tailfin doctor",
    ),
    GpuFault(
        ("cuda error: unknown error", "cuda unknown error"),
        "The GPU's driver failed",
        "CUDA error 999: the driver gave no reason; often the card or its driver hangs.",
        "See whether nvidia-smi answers; restart the container or the box, then resume.",
    ),
    GpuFault(
        ("unspecified launch failure", "hardware stack error"),
        "The work on the GPU broke off",
        "CUDA error 719: a kernel met an exception on the card. Reports name faulty cards, power, "
        "drivers and kernels; everything on the card is lost.",
        _LOOK_AT_XID,
        is_maybe_program=True,
    ),
    GpuFault(
        ("an illegal memory access was encountered",),
        "The work on the GPU broke off",
        "CUDA error 700: a kernel reached for memory that is not its own. Mostly a fault in a "
        "library's kernel, rarely the card; everything on the card is lost.",
        _LOOK_AT_XID,
        is_maybe_program=True,
    ),
    GpuFault(
        ("the launch timed out and was terminated",),
        "The work on the GPU was cut off",
        "CUDA error 702: a kernel took longer than a card with a display allows.",
        "Train on a card without a display, or stop the desktop on it, then resume.",
    ),
    GpuFault(
        ("xid (pci",),
        "The GPU reported a fault",
        "The driver wrote an Xid error into the kernel log.",
        _LOOK_AT_XID,
    ),
)


def gpu_fault(text: str) -> GpuFault | None:
    """The fault that an error's text speaks of; None for others.

    A device-side assertion is none: there a kernel found a wrong value (see `is_device_assert`).
    """
    if is_device_assert(text):
        return None
    plain = text.lower()
    return next((f for f in _FAULTS if any(words in plain for words in f.words)), None)


def is_device_assert(text: str) -> bool:
    """Whether a kernel's own check failed: a wrong index, mostly a token beyond the embedding.

    It takes down the CUDA context as a lost card does, but the card is well (cudaErrorAssert).
    """
    # Every CUDA error of torch ends with advice about "device-side assertions".
    return "device-side assert triggered" in text.lower()
