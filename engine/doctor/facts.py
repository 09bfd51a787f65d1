"""What the doctor knows of a box: plain values, gathered once, judged by the checks."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.doctor.gpu_facts import Gpu, GpuFacts
from engine.doctor.host import Ran
from engine.doctor.platform import Platform
from engine.doctor.software import SoftwareFacts
from engine.setup.conflicts import Conflict
from engine.setup.interpreter import MIN_PYTHON
from engine.setup.torch_build import TorchBuild

__all__ = [
    "GIB",
    "Box",
    "DeepFacts",
    "Gpu",
    "GpuFacts",
    "HubFacts",
    "LimitFacts",
    "ModelFacts",
    "StackFacts",
    "StorageFacts",
    "TerminalFacts",
    "Volume",
    "WeightsFacts",
]

GIB = 2**30


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
    software: SoftwareFacts = field(default_factory=SoftwareFacts)
    conflicts: tuple[Conflict, ...] = ()

    @property
    def runs(self) -> bool:
        return self.version != (0, 0, 0)

    @property
    def can_train(self) -> bool:
        """Whether packages of this Python are worth a look: an older one gets another instead."""
        return self.version[:2] >= MIN_PYTHON

    def setup_command(self, *names: str) -> str:
        """The command that brings missing packages into this interpreter."""
        if self.is_own:
            return "tailfin setup"
        return " ".join([self.python, "-m", "pip", "install", *names])


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """Memory and processors this process may use; None where there is no limit or no answer.

    `cores` are those it may run on, `cores_shown` those the machine shows to programs that count
    them, `cpu_sold` what the platform says was rented. `pressure` is the share of time (percent,
    over the last minute) in which all processes waited for memory. `address_gib` is `ulimit -v`,
    `processes` how many more processes and threads may be made, `processes_by` what limits them.
    `commit_free_gib` is what may still be promised where the kernel promises no more than it has.
    """

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
    open_files_hard: int | None = None
    cores_shown: int | None = None
    cpu_sold: float | None = None
    swap_gib: float = 0.0
    swap_used_gib: float = 0.0
    pressure: float | None = None
    address_gib: float | None = None
    address_is_hard: bool = False
    processes: int | None = None
    processes_by: str = ""
    commit_free_gib: float | None = None
    may_mount: bool = False

    @property
    def usable_gib(self) -> float:
        """RAM this process can ever get."""
        return min(self.ram_gib, self.cgroup_gib or self.ram_gib)

    @property
    def free_gib(self) -> float:
        """RAM this process can get now."""
        free = self.cgroup_free_gib
        return self.available_gib if free is None else min(self.available_gib, free)

    @property
    def cpu_granted(self) -> float:
        """Processors' worth of time this process gets."""
        known = (self.cpu_quota, self.cpu_sold)
        return min([float(self.cores), *(one for one in known if one)])


@dataclass(frozen=True, slots=True)
class Volume:
    """One file system and what of ours lies on it: `model cache`, `runs`, `temporary files` ...

    `unwritable` are those of our places, role and path, in which nothing can be made. `kind` is
    `disk`, `memory`, `network` or `objects`; `files_free` is None where files are not counted.
    `base` is a folder on it in which others can be made, empty where none is known.
    """

    path: str
    total_gib: float
    free_gib: float
    roles: tuple[str, ...] = ()
    unwritable: tuple[tuple[str, str], ...] = ()
    fs: str = ""
    kind: str = "disk"
    noexec: bool = False
    read_only: bool = False
    files_free: int | None = None
    persistent: bool = False
    base: str = ""


@dataclass(frozen=True, slots=True)
class StorageFacts:
    """The volumes in use, and others that are big enough to be.

    `places` are role and path of what is written. `cache_variable` is the one that moves the model
    cache, `saved_token` the file of a token that moving it would leave behind.
    """

    volumes: tuple[Volume, ...] = ()
    spare: tuple[Volume, ...] = ()
    places: tuple[tuple[str, str], ...] = ()
    cache_variable: str = "HF_HOME"
    saved_token: str = ""

    def where(self, role: str) -> str:
        """The folder of one role, empty where it is not known."""
        return dict(self.places).get(role, "")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the hub said about one model's config.json: HTTP states, 0 where nothing came back.

    `with_token` is None where no token was sent; `code` and `said` are the hub's own words.
    """

    name: str
    anonymous: int = 0
    with_token: int | None = None
    code: str = ""
    said: str = ""
    cached: bool = False


@dataclass(frozen=True, slots=True)
class WeightsFacts:
    """Whether large files come: where the hub sends for one, and whether that server answers.

    `host` is empty where the hub hands it out itself or did not say.
    """

    host: str = ""
    trouble: str = ""
    is_xet: bool = False


@dataclass(frozen=True, slots=True)
class HubFacts:
    """Whether models can be fetched; the token itself is never kept.

    `token_from` is the variable or file it stands in, `token_state` the HTTP state of asking whose
    it is (None: not asked, 0: no answer), `clock_ahead_s` how far this box's clock is before the
    server's. `xet_trouble` says why the servers of Xet storage are of no use. `others` are the ways
    round a hub that does not answer which do. `hf` is how the hub's own command is typed here.
    """

    endpoint: str
    offline: bool = False
    reachable: bool | None = None
    trouble: str = ""
    elapsed_s: float = 0.0
    has_token: bool = False
    token_elsewhere: str = ""
    offline_by: str = ""
    state: int = 0
    token_from: str = ""
    token_saved_in: str = ""
    token_malformed: bool = False
    token_misnamed: str = ""
    token_shared: bool = False
    token_state: int | None = None
    token_elsewhere_name: str = "HF_TOKEN"
    settings_elsewhere: tuple[str, ...] = ()
    settings_elsewhere_in: str = ""
    clock_ahead_s: float | None = None
    weights: WeightsFacts | None = None
    xet_off: bool = False
    xet_trouble: str = ""
    hf_transfer: bool = False
    proxies: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    network_turbo: bool = False
    hf: str = "hf"
    cached_models: int = 0
    model: ModelFacts | None = None


@dataclass(frozen=True, slots=True)
class TerminalFacts:
    """What the terminal can show, and whether a multiplexer is at hand.

    `known` says whether TERM has an entry in the terminal database, None where there is none to
    look into; `multiplexer` is the one this shell runs in.
    """

    charset: str = ""
    tmux: str = ""
    in_tmux: bool = False
    locale: str = ""
    term: str = ""
    known: bool | None = None
    over_ssh: bool = False
    multiplexer: str = ""


@dataclass(frozen=True, slots=True)
class DeepFacts:
    """How the deep probes ended, by name, and why others were not; empty if none was asked."""

    ran: dict[str, Ran] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    library_path: str = ""


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
    deep: DeepFacts = field(default_factory=DeepFacts)
