"""The errors with which CUDA refuses to start, as the driver's API numbers them (cuda.h).

What they mean on rented boxes is from the threads cited.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.doctor.facts import Box
from engine.doctor.remedies import as_root, change_host, is_rented, restart


@dataclass(frozen=True, slots=True)
class CudaError:
    """`name` and `words` are cuGetErrorName's and cuGetErrorString's, `also` is what torch says.

    `is_vague`: others say the same words, so that only "CUDA error: WORDS" counts.
    """

    id: str
    name: str
    words: str
    why: str
    also: str = ""
    is_vague: bool = False

    def is_in(self, text: str) -> bool:
        """Whether a text in lower case speaks of it."""
        if self.name.lower() in text or (self.also and self.also in text):
            return True
        if self.is_vague:
            return re.search(f"cuda (?:driver |runtime )?error:? {self.words}", text) is not None
        return self.words in text


CUDA_ERRORS = {
    3: CudaError(
        "cuda-not-initialized",
        "CUDA_ERROR_NOT_INITIALIZED",
        "initialization error",
        "The driver could not be started: a device file is missing, or the card is in a bad state.",
        is_vague=True,
    ),
    34: CudaError(
        "cuda-stub",
        "CUDA_ERROR_STUB_LIBRARY",
        "cuda driver is a stub library",
        "The toolkit's stand-in for building programs was loaded in place of the driver's library.",
    ),
    46: CudaError(
        "gpu-busy",
        "CUDA_ERROR_DEVICE_UNAVAILABLE",
        "cuda-capable device(s) is/are busy or unavailable",
        "Another process has the card for itself, or the card hangs.",
    ),
    100: CudaError(
        "cuda-no-device",
        "CUDA_ERROR_NO_DEVICE",
        "no cuda-capable device is detected",
        "The card was handed to this box, but CUDA may not see it: training falls back to the CPU "
        "or ends at once.",
        also="no cuda gpus are available",
    ),
    101: CudaError(
        "cuda-wrong-device",
        "CUDA_ERROR_INVALID_DEVICE",
        "invalid device ordinal",
        "CUDA_VISIBLE_DEVICES names a card that is not here.",
    ),
    802: CudaError(
        "cuda-not-ready",
        "CUDA_ERROR_SYSTEM_NOT_READY",
        "system not yet initialized",
        "Cards joined by NVSwitch (SXM boards) compute only after the host's fabric manager has "
        "linked them; until then torch sees no GPU (huggingface_hub#4134).",
    ),
    803: CudaError(
        "cuda-driver-mismatch",
        "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
        "unsupported display driver / cuda driver combination",
        "The driver's library and its kernel module are of different releases, as after an update "
        "without a restart.",
    ),
    804: CudaError(
        "cuda-compat",
        "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
        "forward compatibility was attempted on non supported hw",
        "The image loads a newer CUDA library than the host's driver, which only data center cards "
        "allow; torch sees no GPU on this one (nvidia-docker#1294).",
    ),
    999: CudaError(
        "cuda-unknown",
        "CUDA_ERROR_UNKNOWN",
        "unknown error",
        "The driver gave no reason: most often its module nvidia_uvm is not loaded, the container "
        "was not given /dev/nvidia-uvm, or the card hangs.",
        also="cuda unknown error",
        is_vague=True,
    ),
}


def cuda_fix(box: Box, number: int) -> tuple[str, bool]:
    """What cures it on this box, and whether it is safe to run."""
    change = change_host(box.platform)
    if number == 802:
        if is_rented(box.platform):
            return f"Wait two minutes and check again; if it stays: {change}", False
        return as_root(box.platform, "systemctl start nvidia-fabricmanager"), True
    if number in (34, 804):
        return _without_foreign_library(box, change), False
    if number == 803:
        return f"{restart(box.platform)}" if not is_rented(box.platform) else change, False
    if number in (100, 101):
        if box.gpu.visible_devices is not None:
            return "unset CUDA_VISIBLE_DEVICES", False
        return f"{restart(box.platform)}; if it stays: {change}", False
    if number == 999 and not is_rented(box.platform):
        return as_root(box.platform, "nvidia-modprobe -u -c 0"), True
    if number == 46:
        return (
            f"End your other processes (nvidia-smi lists them); if none is yours: {change}",
            False,
        )
    return f"{restart(box.platform)}; if it stays: {change}", False


def _without_foreign_library(box: Box, change: str) -> str:
    """Take the folder of the foreign libcuda out of the loader's ways."""
    folders = [folder for folder in box.deep.library_path.split(":") if folder]
    kept = [one for one in folders if "compat" not in one and "stubs" not in one]
    if len(kept) < len(folders):
        return f"export LD_LIBRARY_PATH={':'.join(kept)}" if kept else "unset LD_LIBRARY_PATH"
    return (
        "Take the folders named compat out of /etc/ld.so.conf.d and run ldconfig, or use an image "
        f"whose CUDA is not newer than the driver's. {change}"
    )
