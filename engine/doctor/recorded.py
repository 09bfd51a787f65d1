"""A box in a folder: raw files, NVML answers, disks, network and interpreter, to be asked again.

docs/recorded-boxes.md describes the folder. Nothing in it is a finding: what is wrong with the box
is for the checks to see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine.doctor.host import Host, Python, Ran, Reply, Room
from engine.errors import TailfinError

_NOT_SUPPORTED = 3


def read_recorded(folder: Path) -> Host:
    """The box a folder holds; TailfinError names the file that cannot be read."""
    if not (folder / "root").is_dir():
        raise TailfinError(
            f"{folder} holds no recorded box: it has no folder named root.",
            "Make one with: tailfin doctor --record FOLDER",
            where=folder,
        )
    python = _table(folder, "python.json")
    probes = _table(folder, "probes.json")
    network = _table(folder, "network.json")
    replies = network.get("replies", [])
    return Host(
        env=_env(folder / "env"),
        root=folder.resolve() / "root",
        nvml=RecordedNvml(_table(folder, "nvml.json")),
        disks=RecordedDisks(_table(folder, "disks.json")),
        network=RecordedNetwork(replies),
        python=Python(
            str(python.get("executable", "/usr/bin/python3")),
            _version(python.get("version", [3, 11, 0])),
            tuple(python.get("paths", [])),
            bool(python.get("is_own", True)),
        ),
        probes={name: _ran(said) for name, said in probes.items()},
        clock=_table(folder, "clock.json").get("now"),
        model=network.get("model", "") or _refused_model(replies),
    )


class RecordedNvml:
    """Answers NVML's functions by name; what was not recorded is not supported."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        import pynvml

        self._real = pynvml
        self._system = answers.get("system", {})
        self._devices = answers.get("devices", [])
        self._missing = not answers
        self.NVMLError = pynvml.NVMLError

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml"):
            return getattr(self._real, name)  # constants
        return lambda *arguments: self._call(name, arguments)

    def _call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name in ("nvmlInit", "nvmlInit_v2", "nvmlInitWithFlags"):
            if self._missing:
                raise self.NVMLError(self._real.NVML_ERROR_LIBRARY_NOT_FOUND)
            return self._value(self._system.get("nvmlInit"))
        if name == "nvmlShutdown":
            return None
        if name in ("nvmlDeviceGetCount", "nvmlDeviceGetCount_v2"):
            return self._value(self._system.get("nvmlDeviceGetCount", len(self._devices)))
        if name in ("nvmlDeviceGetHandleByIndex", "nvmlDeviceGetHandleByIndex_v2"):
            device = self._devices[arguments[0]]
            self._value(device.get("nvmlDeviceGetHandleByIndex"))
            return _Handle(device)
        if name == "nvmlDeviceGetMigDeviceHandleByIndex":
            slices = arguments[0].answers.get("slices", [])
            if arguments[1] >= len(slices):
                raise self.NVMLError(self._real.NVML_ERROR_NOT_FOUND)
            return _Handle(slices[arguments[1]])
        table, rest = self._system, arguments
        if arguments and isinstance(arguments[0], _Handle):
            table, rest = arguments[0].answers, arguments[1:]
        plain = [str(one) for one in rest if isinstance(one, int)]
        for key in (f"{name}({','.join(plain)})" if plain else name, name):
            if key in table:
                return self._value(table[key])
        raise self.NVMLError(_NOT_SUPPORTED)

    def _value(self, value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"error"}:
            raise self.NVMLError(value["error"])
        return _plain(value)


class _Handle:
    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers


class RecordedDisks:
    """Room by mount point; a folder has the room of the longest one it lies below."""

    def __init__(self, volumes: Mapping[str, Any]) -> None:
        self._volumes = volumes

    def room(self, path: str) -> Room | None:
        best = ""
        for mount in self._volumes:
            inside = path == mount or path.startswith(mount.rstrip("/") + "/")
            if inside and len(mount) >= len(best):
                best = mount
        if not best:
            return None
        told = self._volumes[best]
        closed = any(
            path == folder or path.startswith(folder.rstrip("/") + "/")
            for folder in told.get("unwritable", [])
        )
        writable = bool(told.get("writable", True)) and not closed
        return Room(int(told["total"]), int(told["free"]), writable, told.get("files_free"))


class RecordedNetwork:
    """Replies by method and URL; `token` in an entry restricts it to calls with or without one.

    Where a URL has no entry: HEAD and GET stand for each other, one weights file stands for all
    of its server, and a server of which only errors are known gives the first of them again.
    """

    def __init__(self, replies: list[Mapping[str, Any]]) -> None:
        self._replies = replies

    def ask(self, method: str, url: str, *, token: str = "", timeout_s: float = 3.0) -> Reply:
        told = [
            one for one in self._replies if "token" not in one or bool(one["token"]) == bool(token)
        ]
        same = [one for one in told if _bare(one["url"]) == _bare(url)]
        found = [one for one in same if one.get("method", method) == method] or same
        if not found and _is_weights(url):
            found = [
                one for one in told if _is_weights(one["url"]) and _server(one) == _server(url)
            ]
        if not found:
            known = [one for one in told if _server(one) == _server(url)]
            found = [] if any(one.get("status") for one in known) else known
        if not found:
            return Reply(error="timed out", seconds=timeout_s)
        reply = found[0]
        headers = {name.lower(): str(text) for name, text in reply.get("headers", {}).items()}
        error = reply.get("error", "") or ("" if reply.get("status") else "timed out")
        return Reply(int(reply.get("status", 0)), headers, error, reply.get("seconds", 0.1))


def _refused_model(replies: list[Mapping[str, Any]]) -> str:
    """The model a server refused files of: it must have been asked for."""
    for told in replies:
        match = re.search(r"//[^/]+/([^/]+/[^/]+)/resolve/[^/]+/config\.json$", told["url"])
        if match and told.get("status") in (401, 403):
            return match[1]
    return ""


def _bare(url: str) -> str:
    """Without the query, which holds signatures of one moment."""
    return url.partition("?")[0].rstrip("/")


def _server(told: Mapping[str, Any] | str) -> str:
    url = told if isinstance(told, str) else told["url"]
    return "/".join(url.split("/")[:3]).lower()


def _is_weights(url: str) -> bool:
    return "/resolve/" in url and _bare(url).endswith((".safetensors", ".bin", ".gguf", ".pt"))


def _plain(value: Any) -> Any:
    """Tables become objects with attributes, as the binding's structures are."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: _plain(inner) for name, inner in value.items()})
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _ran(said: Mapping[str, Any]) -> Ran:
    return Ran(said.get("code"), said.get("out", ""), said.get("err", ""), said.get("seconds", 0.0))


def _version(numbers: list[int]) -> tuple[int, int, int]:
    major, minor, micro = (*numbers, 0, 0, 0)[:3]
    return major, minor, micro


def _env(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, equals, value in pairs if equals}


def _table(folder: Path, name: str) -> dict[str, Any]:
    file = folder / name
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        table = json.loads(text)
    except ValueError as error:
        raise TailfinError(f"{name} is not JSON: {error}.", "Mend the file.", where=file) from error
    if not isinstance(table, dict):
        raise TailfinError(f"{name} holds no JSON object.", "Mend the file.", where=file)
    return table
