"""The answer of a memory estimate: bytes per component, per phase, against one card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.findings import Finding
from engine.memory.cards import Card
from engine.memory.storage import Stage, Storage

GIB = 2**30
Tier = Literal["estimate", "simulate"]
# Merging is no phase of the card: it happens in RAM (see engine.memory.storage.Stage).
PhaseName = Literal["load", "train", "eval", "save"]

# in the order of the table; what torch's tensors hold comes first
TENSOR_COMPONENTS = (
    "base weights",
    "adapter",
    "gradients",
    "optimizer",
    "activations",
    "logits and loss",
    "workspace",
)
COMPONENTS = (*TENSOR_COMPONENTS, "fragmentation", "context", "other processes")


@dataclass(frozen=True, slots=True)
class Phase:
    """The worst moment of one phase; `sizes` are bytes in the order of `COMPONENTS`.

    Three tiers of the same moment: tensors (`max_memory_allocated`), reserved (what the caching
    allocator holds), process (what the driver sees, and what decides whether it fits).
    """

    name: PhaseName
    moment: str
    sizes: tuple[int, ...]

    @property
    def tensor_bytes(self) -> int:
        return sum(self.sizes[: len(TENSOR_COMPONENTS)])

    @property
    def reserved_bytes(self) -> int:
        return self.tensor_bytes + self.size("fragmentation")

    @property
    def process_bytes(self) -> int:
        return self.reserved_bytes + self.size("context")

    @property
    def total_bytes(self) -> int:
        """The process and what others hold of the card: all components."""
        return sum(self.sizes)

    def size(self, component: str) -> int:
        return self.sizes[COMPONENTS.index(component)]

    def components_gib(self) -> dict[str, float]:
        return {name: size / GIB for name, size in zip(COMPONENTS, self.sizes, strict=True)}


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run needs of a card, of RAM and of disk, and whether it fits.

    `length` is the tokens per row it was made for; `num_params` and `num_trained` count elements.
    """

    card: Card
    length: int
    phases: tuple[Phase, ...]
    spread_bytes: int
    """Bytes above the peak that fragmentation was seen to reach; between the two it is tight."""
    storage: Storage
    findings: tuple[Finding, ...]
    num_params: int
    num_trained: int
    tier: Tier = "estimate"

    @property
    def peak(self) -> Phase:
        return max(self.phases, key=lambda phase: phase.process_bytes)

    @property
    def peak_gib(self) -> float:
        """Process memory at the worst moment of all phases."""
        return self.peak.process_bytes / GIB

    @property
    def fits(self) -> bool:
        return self.peak.total_bytes <= self.card.usable_gib * GIB

    @property
    def is_tight(self) -> bool:
        return self.fits and self.peak.total_bytes + self.spread_bytes > self.card.usable_gib * GIB

    @property
    def stages(self) -> tuple[Stage, ...]:
        """RAM and disk from the download to the export; on a CPU the model itself lies in RAM."""
        held = 0 if self.card.is_gpu else self.phase("train").tensor_bytes
        return self.storage.stages(held)

    def phase(self, name: PhaseName) -> Phase:
        return next(phase for phase in self.phases if phase.name == name)
