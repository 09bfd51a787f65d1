"""Live readings of the GPUs this process may use, through NVIDIA's own library kept open."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

from engine.doctor.facts import GIB

# nvmlClocksEventReasons: what holds the clocks down, bit by bit, in the words of the monitor.
# docs.nvidia.com/deploy/nvml-api/group__nvmlClocksEventReasons.html
_THROTTLES = (
    ("power cap", 0x04),
    ("thermal", 0x20 | 0x40),
    ("hardware slowdown", 0x08 | 0x80),
)
_NOT_SUPPORTED = 3
_TEMPERATURE_GPU = 0
_MIG_ENABLED = 1


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One GPU now; None where the card or the driver does not tell (a MIG slice, a laptop).

    `util` is a share from 0 to 1; `total_gib` is 0 where memory is shared with the host's and the
    driver counts none. `throttle` holds any of "power cap", "thermal", "hardware slowdown".
    `others_gib` is what processes of nobody's asking hold; None where the driver names processes by
    numbers of another namespace, so that ours cannot be told from them.
    """

    index: int
    name: str
    util: float | None
    used_gib: float
    total_gib: float
    temp_c: float | None
    power_w: float | None
    power_limit_w: float | None
    throttle: tuple[str, ...] = ()
    others_gib: float | None = None


@dataclass(frozen=True, slots=True)
class _Card:
    """A GPU or a slice of one; `board` is the whole card, which knows heat and power."""

    index: int
    handle: Any
    board: Any
    uuid: str


class Cards:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, asked again and again.

    `nvml` is the binding; without one it is imported on the first `read`, which can take seconds
    per card where the driver's persistence mode is off.
    """

    def __init__(self, visible_devices: str | None, nvml: Any = None) -> None:
        self._visible = visible_devices
        self._nvml = nvml
        self._is_open = False
        self._start_trouble: str | None = None
        self._cards: list[_Card] = []
        self._answered: set[str] = set()

    def read(self, own: Set[int] = frozenset()) -> tuple[tuple[GpuReading, ...], str, bool]:
        """The GPUs that answer, the trouble with those that do not, and whether one was lost.

        `own` are the process ids of the run that is watched. Lost is a GPU that answered earlier.
        The library's errors are words here, never raised.
        """
        if self._start_trouble is None:
            self._start_trouble = self._start()
        readings: list[GpuReading] = []
        silent: list[tuple[int, str]] = []
        lost: list[tuple[int, str]] = []
        for card in self._cards:
            try:
                readings.append(self._reading(card, own))
                self._answered.add(card.uuid or str(card.index))
            except self._nvml.NVMLError as error:
                was_there = (card.uuid or str(card.index)) in self._answered
                (lost if was_there else silent).append((card.index, str(error)))
        return tuple(readings), self._trouble(silent, lost), bool(lost)

    def close(self) -> None:
        """Let go of the driver; reading again would start anew."""
        if self._is_open:
            self._is_open = False
            self._start_trouble = None
            self._cards = []
            self._tell(self._nvml.nvmlShutdown)

    def _start(self) -> str:
        """Open the library once and find the cards; the trouble in words, empty if none."""
        if self._nvml is None:
            try:
                import pynvml
            except ImportError:
                return "nvidia-ml-py is not installed, so the GPU was not asked"
            self._nvml = pynvml
        try:
            self._nvml.nvmlInit()
            self._is_open = True
            found = [
                card
                for index in range(self._nvml.nvmlDeviceGetCount())
                for card in self._find(index)
            ]
        except self._nvml.NVMLError as error:
            return f"NVML gave no answer: {error}"
        self._cards = _visible(found, self._visible)
        return ""

    def _find(self, index: int) -> list[_Card]:
        """The card with this index, or its slices where it is divided (MIG)."""
        nvml = self._nvml
        board = nvml.nvmlDeviceGetHandleByIndex(index)
        handles = []
        mode = self._tell(nvml.nvmlDeviceGetMigMode, board)
        if mode and mode[0] == _MIG_ENABLED:
            most = self._tell(nvml.nvmlDeviceGetMaxMigDeviceCount, board) or 0
            slices = (
                self._tell(nvml.nvmlDeviceGetMigDeviceHandleByIndex, board, i) for i in range(most)
            )
            handles = [handle for handle in slices if handle is not None]
        return [
            _Card(index, handle, board, _words(self._tell(nvml.nvmlDeviceGetUUID, handle) or ""))
            for handle in handles or [board]
        ]

    def _reading(self, card: _Card, own: Set[int]) -> GpuReading:
        nvml = self._nvml
        # Asked first and believed: its failure means the card is gone, the others' may not.
        used_gib, total_gib = self._memory(card)
        util = self._tell(nvml.nvmlDeviceGetUtilizationRates, card.handle)
        power_mw = self._tell(nvml.nvmlDeviceGetPowerUsage, card.board)
        limit_mw = self._tell(nvml.nvmlDeviceGetEnforcedPowerLimit, card.board)
        reasons = self._tell(nvml.nvmlDeviceGetCurrentClocksEventReasons, card.board)
        if reasons is None:  # drivers before 535 know the call by its old name only
            reasons = self._tell(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, card.board) or 0
        return GpuReading(
            index=card.index,
            name=_words(self._tell(nvml.nvmlDeviceGetName, card.handle) or "GPU"),
            util=None if util is None else util.gpu / 100,
            used_gib=used_gib,
            total_gib=total_gib,
            temp_c=self._tell(nvml.nvmlDeviceGetTemperature, card.board, _TEMPERATURE_GPU),
            power_w=None if power_mw is None else power_mw / 1000,
            power_limit_w=None if limit_mw is None else limit_mw / 1000,
            throttle=tuple(word for word, bits in _THROTTLES if reasons & bits),
            others_gib=self._others(card, own) if own else None,
        )

    def _others(self, card: _Card, own: Set[int]) -> float | None:
        found = self._tell(self._nvml.nvmlDeviceGetComputeRunningProcesses, card.handle)
        held = {one.pid: one.usedGpuMemory or 0 for one in found or ()}
        if not own & held.keys():
            return None  # before its first tensor, or seen from the host under another number
        return sum(memory for pid, memory in held.items() if pid not in own) / GIB

    def _memory(self, card: _Card) -> tuple[float, float]:
        try:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(card.handle)
        except self._nvml.NVMLError as error:
            if getattr(error, "value", None) == _NOT_SUPPORTED:
                return 0.0, 0.0
            raise
        return (memory.total - memory.free) / GIB, memory.total / GIB

    def _tell(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        """The answer, or None where there is none."""
        try:
            return ask(*arguments)
        except self._nvml.NVMLError:
            return None

    def _trouble(self, silent: Sequence[tuple[int, str]], lost: Sequence[tuple[int, str]]) -> str:
        for errors, what in ((lost, "stopped answering"), (silent, "gave no answer")):
            if errors:
                which = ", ".join(str(index) for index, _ in errors)
                all_of_them = len(errors) == len(self._cards)
                return f"{'NVML' if all_of_them else f'GPU {which}'} {what}: {errors[0][1]}"
        return self._start_trouble or ""


def _visible(cards: Sequence[_Card], value: str | None) -> list[_Card]:
    """What CUDA would list: all, or the named ones up to the first that does not exist.

    docs.nvidia.com/cuda/cuda-c-programming-guide/#env-vars. A process sees one slice of a card.
    """
    if value is None:
        return list({card.index: card for card in reversed(cards)}.values())[::-1]
    chosen: list[_Card] = []
    for word in value.split(","):
        card = next((card for card in cards if _is_named(card, word.strip())), None)
        if card is None:
            break
        chosen.append(card)
    return chosen


def _is_named(card: _Card, word: str) -> bool:
    """By index, or by the beginning of its UUID."""
    if word.isdecimal():
        return int(word) == card.index
    return word[:4] in ("GPU-", "MIG-") and card.uuid.startswith(word)


def _words(value: str | bytes) -> str:
    """Old bindings answer in bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
