"""What the doctor knows of a box: plain values, gathered once, judged by the checks."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.doctor.platform import Platform
from engine.setup.torch_build import TorchBuild

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card as the driver describes it; `capability` is such as (9, 0)."""

    index: int
    name: str
    vram_gib: float
    free_gib: float
    capability: tuple[int, int]
    mig: bool = False

    @property
    def has_bf16(self) -> bool:
        """Whether bfloat16 runs in hardware (Ampere and newer)."""
        return self.capability >= (8, 0)


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """The driver and its cards; `trouble` says why the driver gave no answer, if it gave none."""

    nodes: tuple[str, ...] = ()
    driver: str = ""
    cuda: tuple[int, int] = (0, 0)
    gpus: tuple[Gpu, ...] = ()
    trouble: str = ""
    visible_devices: str | None = None
    rented_without: bool = False

    @property
    def handed(self) -> bool:
        """Whether a GPU is handed to this box, answering or not."""
        return bool(self.nodes or self.gpus or self.trouble)


@dataclass(frozen=True, slots=True)
class StackFacts:
    """The interpreter that trains and what is installed there, by normalised name.

    `version` is (0, 0, 0) where it does not run; `is_own` where it is the one running now.
    """

    python: str
    version: tuple[int, int, int]
    installed: dict[str, str]
    minimum: dict[str, str]
    torch: TorchBuild | None = None
    bitsandbytes_cuda: tuple[tuple[int, int], ...] = ()
    bitsandbytes_override: str = ""
    is_own: bool = True

    @property
    def runs(self) -> bool:
        return self.version != (0, 0, 0)

    def setup_command(self, *names: str) -> str:
        """The command that brings missing packages into this interpreter."""
        if self.is_own:
            return "tailfin setup"
        return " ".join([self.python, "-m", "pip", "install", *names])


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """Memory and processors this process may use; None where there is no limit or no answer."""

    ram_gib: float
    available_gib: float
    cgroup_gib: float | None = None
    cgroup_free_gib: float | None = None
    oom_kills: int = 0
    cores: int = 1
    cpu_quota: float | None = None
    omp_threads: str = ""
    open_files: int | None = None
    shm_gib: float | None = None

    @property
    def usable_gib(self) -> float:
        """RAM this process can ever get."""
        return min(self.ram_gib, self.cgroup_gib or self.ram_gib)

    @property
    def free_gib(self) -> float:
        """RAM this process can get now."""
        free = self.cgroup_free_gib
        return self.available_gib if free is None else min(self.available_gib, free)


@dataclass(frozen=True, slots=True)
class Volume:
    """One file system and what of ours lies on it: `cache`, `runs`, `temporary files`, `system`.

    `unwritable` are those of our places, role and path, in which nothing can be made.
    """

    path: str
    total_gib: float
    free_gib: float
    roles: tuple[str, ...] = ()
    unwritable: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StorageFacts:
    """The volumes in use, and persistent ones of rented boxes that are not."""

    volumes: tuple[Volume, ...] = ()
    spare: tuple[Volume, ...] = ()


@dataclass(frozen=True, slots=True)
class HubFacts:
    """Whether models can be fetched; the token itself is never kept."""

    endpoint: str
    offline: bool = False
    reachable: bool | None = None
    trouble: str = ""
    elapsed_s: float = 0.0
    has_token: bool = False
    token_elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class TerminalFacts:
    """What the terminal can show, and whether a multiplexer is at hand."""

    charset: str = ""
    tmux: str = ""
    in_tmux: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """Everything the checks may look at."""

    gpu: GpuFacts
    stack: StackFacts
    limits: LimitFacts
    storage: StorageFacts
    hub: HubFacts
    terminal: TerminalFacts
    platform: Platform = field(default_factory=Platform)
