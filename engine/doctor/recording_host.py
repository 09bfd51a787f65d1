"""A host that notes everything the doctor asks it, so that the box can be recorded."""

from __future__ import annotations

import os
import sys
from collections.abc import ItemsView, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.doctor.host import Host, Python, Reply, Room, own_python
from engine.doctor.recording_nvml import RecordingNvml


@dataclass
class Notes:
    """What was asked, by path, name or URL, and what came back."""

    looked: set[str] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)
    scanned: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)
    listed: dict[str, list[str]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    replies: list[tuple[str, str, bool, Reply]] = field(default_factory=list)


class NotedEnvironment(Mapping[str, str]):
    """An environment that knows which of its variables were read."""

    def __init__(self, env: Mapping[str, str], notes: Notes) -> None:
        self._env = env
        self.whole = dict(env)
        self._notes = notes

    def __getitem__(self, name: str) -> str:
        value = self._env[name]
        self._notes.names.add(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._env)

    def items(self) -> ItemsView[str, str]:
        return self._env.items()  # whoever looks through all of them has read none

    def __len__(self) -> int:
        return len(self._env)


@dataclass(frozen=True)
class RecordingHost(Host):
    """Answers as the box does and notes the answers."""

    notes: Notes = field(default_factory=Notes)

    def at(self, path: str | Path) -> Path:
        self.notes.looked.add(str(path))
        return super().at(path)

    def text(self, path: str | Path) -> str:
        text = super().text(path)
        if text:
            self.notes.texts[str(path)] = text
        return text

    def tail(self, path: str | Path, size: int = 2**18) -> str:
        text = super().tail(path, size)
        if text:
            self.notes.texts[str(path)] = text
        return text

    def names(self, path: str | Path) -> list[str]:
        names = super().names(path)
        self.notes.listed[str(path)] = names
        return names

    def link(self, path: str | Path) -> str:
        target = super().link(path)
        if target:
            self.notes.links[str(path)] = target
        return target

    def room(self, path: str | Path) -> Room | None:
        room = super().room(path)
        if room is not None:
            self.notes.rooms[str(path)] = room
        return room

    def ask(self, method: str, url: str, *, token: str = "", timeout_s: float = 3.0) -> Reply:
        reply = super().ask(method, url, token=token, timeout_s=timeout_s)
        self.notes.replies.append((method, url, bool(token), reply))
        return reply


def recording(host: Host) -> RecordingHost:
    """The same box, noting; its interpreter is asked now, because its answer is part of it."""
    from engine.doctor.stack import ask_python

    notes = Notes()
    chosen = host.env.get("TAILFIN_PYTHON")
    python: Python = host.python or (ask_python(chosen) if chosen else own_python())
    nvml: Any = host.nvml
    if nvml is None:
        try:
            import pynvml
        except ImportError:
            pass
        else:
            nvml = pynvml
    return RecordingHost(
        env=NotedEnvironment(host.env, notes),
        root=host.root,
        nvml=None if nvml is None else RecordingNvml(nvml),
        disks=host.disks,
        network=host.network,
        python=python,
        probes=host.probes,
        clock=host.clock,
        model=host.model,
        notes=notes,
    )


@contextmanager
def noting_files(notes: Notes) -> Iterator[None]:
    """Note files and folders opened beside the host's own methods, as those of packages are."""
    _install()
    _LISTENING.append(notes)
    try:
        yield
    finally:
        _LISTENING.remove(notes)


_LISTENING: list[Notes] = []
_INSTALLED: list[bool] = []


def _install() -> None:
    """An audit hook can never be taken away again, so there is one, deaf most of the time."""
    if not _INSTALLED:
        _INSTALLED.append(True)
        sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _LISTENING or event not in ("open", "os.listdir", "os.scandir"):
        return
    path = arguments[0]
    if not isinstance(path, str | os.PathLike):
        return
    file = os.fspath(path)
    if isinstance(file, str) and file.startswith("/"):
        for notes in _LISTENING:
            (notes.opened if event == "open" else notes.scanned).add(file)
