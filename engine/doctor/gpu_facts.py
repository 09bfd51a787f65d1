"""What is known of the GPUs: the cards, their health, the driver, its library, who holds memory."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# Cards for desktops: no forward compatibility, no ECC, and peer access as the driver likes.
_CONSUMER = re.compile(r"GeForce|TITAN|^(?:NVIDIA )?(?:RTX [2-5]0\d\d|GTX)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a divided card (MIG), as a process would get it."""

    uuid: str
    name: str
    vram_gib: float
    free_gib: float


@dataclass(frozen=True, slots=True)
class Health:
    """What a card says of itself now; None or 0 where it says nothing.

    `clock_reasons` are the bits of nvmlClocksEventReasons. `ecc_uncorrected` counts since the
    driver was loaded, `ecc_lifetime` since the card was made. `recovery` is NVML's recovery action,
    `fabric_state` and `fabric_summary` its fabric state (2 is in progress, 3 is completed) and
    health (2 is unhealthy), `fabric_status` the error the registration ended with, `compute_mode`
    NVML's. `pcie_replays` counts what the link had to send again since the driver was loaded.
    """

    clock_reasons: int = 0
    temp_c: float | None = None
    power_limit_w: float | None = None
    power_default_w: float | None = None
    pcie_width: int | None = None
    pcie_width_max: int | None = None
    pcie_replays: int = 0
    ecc_uncorrected: int = 0
    ecc_lifetime: int = 0
    remap_pending: bool = False
    remap_failed: bool = False
    retired_pages: int = 0
    retire_pending: bool = False
    recovery: int = 0
    fabric_state: int = 0
    fabric_status: int = 0
    fabric_summary: int = 0
    persistence: bool | None = None
    compute_mode: int = 0
    has_display: bool = False


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card as the driver describes it; `capability` is such as (9, 0), (0, 0) if not told.

    Of a divided card the memory is that of its largest slice, which is what one process gets.
    `reserved_gib` is what the driver keeps for itself, None where it does not tell it apart. `pci`
    is such as `0000:3b:00`. `is_shared`: its memory is the host's.
    """

    index: int
    name: str
    vram_gib: float
    free_gib: float
    capability: tuple[int, int]
    mig: bool = False
    uuid: str = ""
    pci: str = ""
    reserved_gib: float | None = None
    is_shared: bool = False
    slices: tuple[Slice, ...] = ()
    health: Health = field(default_factory=Health)

    @property
    def has_bf16(self) -> bool:
        """Whether bfloat16 runs in hardware (Ampere and newer)."""
        return self.capability >= (8, 0)

    @property
    def is_consumer(self) -> bool:
        """Whether this is a desktop card."""
        return bool(_CONSUMER.search(self.name))

    @property
    def where(self) -> str:
        return f"GPU {self.index}"


@dataclass(frozen=True, slots=True)
class SilentGpu:
    """A card the driver lists that does not answer, with NVML's error."""

    index: int
    trouble: str
    code: int = 0


@dataclass(frozen=True, slots=True)
class Holder:
    """A process of this box that has a GPU open; `is_ours`: it belongs to this user."""

    pid: int
    name: str
    is_ours: bool = True


@dataclass(frozen=True, slots=True)
class Xid:
    """An error the driver wrote to the kernel's log; `pci` is such as `0000:3b:00`."""

    code: int
    pci: str
    text: str


@dataclass(frozen=True, slots=True)
class PciGpu:
    """A display adapter or accelerator on the PCI bus; `vendor` is NVIDIA, AMD or Intel."""

    address: str
    vendor: str


@dataclass(frozen=True, slots=True)
class CudaLibrary:
    """The libcuda.so.1 a program loads here; `path` is empty where none was found.

    `set_by` is LD_LIBRARY_PATH or the loader's configuration file that names the folder.
    `version` is the driver's it came with, empty where it cannot be told. `was_searched`: the
    folders of libraries could be read, so that none found means none there.
    """

    path: str = ""
    version: str = ""
    set_by: str = ""
    without: str = ""
    """LD_LIBRARY_PATH without the folder the library was found in."""
    was_searched: bool = False


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """The driver and its cards; `trouble` says why the driver gave no answer, if it gave none.

    `code` is NVML's error then. `missing_nodes` are device files CUDA needs and does not find.
    `p2p` is the worst peer access between two cards of a pair, by their indices, as NVML's status.
    `nccl` are the NCCL switches that are set. `log_was_read`: the kernel's log could be read.
    """

    nodes: tuple[str, ...] = ()
    driver: str = ""
    cuda: tuple[int, int] = (0, 0)
    gpus: tuple[Gpu, ...] = ()
    trouble: str = ""
    visible_devices: str | None = None
    rented_without: bool = False
    code: int = 0
    silent: tuple[SilentGpu, ...] = ()
    missing_nodes: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    pci: tuple[PciGpu, ...] = ()
    library: CudaLibrary = field(default_factory=CudaLibrary)
    driver_packages: tuple[str, ...] = ()
    """Driver libraries the package manager of this box installed, asked where versions differ."""
    holders: tuple[Holder, ...] = ()
    xids: tuple[Xid, ...] = ()
    log_was_read: bool = False
    p2p: tuple[tuple[int, int, int], ...] = ()
    nccl: tuple[str, ...] = ()
    scheduler: str = ""
    promised: int = 0
    """How many cards the platform says it gave; 0 where it says nothing."""
    makes_nodes: bool = False
    """Whether the driver's own helper is here that makes device files when they are needed."""
    has_nvswitch: bool = False
    fabric_manager: bool = False

    @property
    def handed(self) -> bool:
        """Whether a GPU is handed to this box, answering or not."""
        return bool(self.nodes or self.gpus or self.trouble)

    @property
    def seen(self) -> tuple[Gpu, ...]:
        """The cards that CUDA_VISIBLE_DEVICES leaves; all where it leaves none, to be judged."""
        return self.named()[0] or self.gpus

    def named(self) -> tuple[tuple[Gpu, ...], str | None]:
        """The cards CUDA would list, in its order, and the first word that names none.

        CUDA stops at that word, and lists nothing where one is named twice.
        docs.nvidia.com/cuda/cuda-c-programming-guide/#env-vars
        """
        if self.visible_devices is None:
            return self.gpus, None
        chosen: list[Gpu] = []
        for word in (word.strip() for word in self.visible_devices.split(",")):
            card = next((card for card in self.gpus if _is_named(card, word)), None)
            if card is None:
                return tuple(chosen), word
            if card in chosen:
                return (tuple(chosen) if card.slices else ()), None if card.slices else word
            chosen.append(card)
        return tuple(chosen), None


def _is_named(card: Gpu, word: str) -> bool:
    """By its index, or by the beginning of its UUID or of a slice's."""
    if word.isdecimal():
        return int(word) == card.index
    if word.startswith("MIG-GPU-"):  # drivers before 470: MIG-GPU-UUID/instance/instance
        return bool(card.uuid) and word[4:].startswith(card.uuid)
    if word.startswith("MIG-"):
        return any(part.uuid.startswith(word) for part in card.slices)
    return word.startswith("GPU-") and card.uuid.startswith(word)
