"""NVML's answers, noted while somebody asks, in the form docs/recorded-boxes.md describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_HANDLE = "nvmlDeviceGetHandleByIndex"
_SLICE = "nvmlDeviceGetMigDeviceHandleByIndex"
_STARTS = ("nvmlInit", "nvmlInit_v2", "nvmlInitWithFlags")
# They name a card or its buyer and decide nothing.
_UNTOLD = ("nvmlDeviceGetSerial", "nvmlDeviceGetBoardId", "nvmlDeviceGetInforomVersion")


class RecordingNvml:
    """Hands every call on to the binding and notes the answer; `answers()` is nvml.json."""

    def __init__(self, binding: Any) -> None:
        self._binding = binding
        self._system: dict[str, Any] = {}
        self._devices: dict[int, dict[str, Any]] = {}

    def answers(self) -> dict[str, Any]:
        """The system's answers and those of the cards; empty where the library is not there."""
        started = self._system.get("nvmlInit")
        if started is None or started == {"error": 12}:  # NVML_ERROR_LIBRARY_NOT_FOUND
            return {}
        count = max(self._devices, default=-1) + 1
        devices = [self._devices.get(index, {}) for index in range(count)]
        return {"system": self._system, "devices": devices}

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._binding, name)
        if not name.startswith("nvml") or not callable(real):
            return real
        return lambda *arguments: self._call(name, real, arguments)

    def _call(self, name: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        handles = [one for one in arguments if isinstance(one, _Handle)]
        table = handles[0].answers if handles else self._system
        plain = [one.real if isinstance(one, _Handle) else one for one in arguments]
        key = _key(name, arguments[1:] if handles else arguments)
        if name in (_HANDLE, f"{_HANDLE}_v2"):
            index = int(arguments[0])
            table, key = self._devices.setdefault(index, {}), _HANDLE
        try:
            told = real(*plain)
        except self._binding.NVMLError as error:
            if name != _SLICE:
                table[key] = {"error": int(getattr(error, "value", 999))}
            raise
        if name in (_HANDLE, f"{_HANDLE}_v2"):
            return _Handle(told, table)
        if name == _SLICE:
            part: dict[str, Any] = {}
            table.setdefault("slices", []).append(part)
            return _Handle(told, part)
        if name in _STARTS:
            self._system["nvmlInit"] = 0
        elif name not in _UNTOLD:
            filled = [one._obj for one in arguments if hasattr(one, "_obj")]
            table[key] = _plain(filled[0] if filled else told)
        return told


class _Handle:
    """A card's handle and where its answers are noted."""

    def __init__(self, real: Any, answers: dict[str, Any]) -> None:
        self.real = real
        self.answers = answers


def _key(name: str, arguments: tuple[Any, ...]) -> str:
    if name in _STARTS:
        return "nvmlInit"
    numbers = [str(one) for one in arguments if isinstance(one, int)]
    return f"{name}({','.join(numbers)})" if numbers else name


def _plain(value: Any) -> Any:
    """Numbers, texts, lists and tables out of the binding's structures."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    fields = [one[0] for one in getattr(value, "_fields_", ())]
    if fields:
        return {name: _plain(getattr(value, name)) for name in fields}
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    try:
        return [_plain(one) for one in value]
    except TypeError:
        told = getattr(value, "__dict__", None)
        return _plain(told) if told else str(value)
