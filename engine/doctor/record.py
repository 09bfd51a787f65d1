"""Writes the recorded box of a machine: what the doctor asked it, without names and secrets."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.doctor.facts import Box
from engine.doctor.host import Host, Reply
from engine.doctor.hub import token_file
from engine.doctor.recording_host import NotedEnvironment, Notes, RecordingHost
from engine.doctor.recording_nvml import RecordingNvml
from engine.doctor.redact import REMOVED, SECRET_NAME, Redactor, redactor_for
from engine.errors import TailfinError

_MOST_TEXT = 256 * 1024
# Folders of the system whose files may be kept where they were opened beside the host's methods.
_SYSTEM = ("/proc/", "/sys/", "/etc/", "/dev/", "/run/", "/usr/include/")
_NEVER = re.compile(r"^/etc/(shadow|gshadow|passwd|sudoers|ssh|ssl|security)|/\.ssh(/|$)|\.pem$")
_PACKAGES = ("site-packages", "dist-packages")
_PACKAGE_FILES = ("METADATA", "PKG-INFO", "RECORD", "WHEEL", "version.py", "direct_url.json")
# Files that hold whole environments: what stands in them beside these is nobody's business.
_ENVIRONMENTS = re.compile(r"/environ$|/rp_environment$|^/etc/environment$|/\.(bash|zsh)rc$")
_KEPT_NAMES = re.compile(r"^(HF_|HUGGING|CUDA|NVIDIA|NCCL|RUNPOD_\w*COUNT|LANG$|LC_|TMPDIR$|PATH$)")
# Of folders that hold hundreds of names, those that say something of the GPU.
_LIBRARIES = re.compile(r"lib(cuda|nvidia|nccl|cudnn|stdc\+\+|gomp|c\.|c-|GLX_nvidia)|[^.]*$")
_KEPT_OF = {
    "/dev": re.compile(r"nvidia|nvhost|dri$|kfd$|dxg$|shm$|infiniband$"),
    "/lib": _LIBRARIES,
    "/lib64": _LIBRARIES,
    "/usr": _LIBRARIES,
}
_HEADERS = ("date", "location", "x-error-code", "x-error-message", "x-xet-hash", "retry-after")
# Some reader goes through the whole environment; only what can matter to any of them is kept.
_ENVIRONMENT = re.compile(
    r"^(HF_|HUGGING|TRANSFORMERS_|CUDA|NVIDIA|NCCL|OMP_|MKL_|OPENBLAS|LD_|LANG|LC_|PATH$|HOME$|TERM"
    r"|COLORTERM$|TMUX$|STY$|TMP|TEMP$|XDG_|PYTHON|TAILFIN|BNB_|RUNPOD|VAST|COLAB|KAGGLE|AutoDL"
    r"|CONTAINER_ID|VIRTUAL_ENV|CONDA|CC$|CXX$|C_INCLUDE|CPATH$|TORCH|PYTORCH|TRITON|ACCELERATE"
    r"|ROCM|HIP_|ZE_|PIP_|UV_|\w*_(PROXY|proxy)$)"
)
# Their presence names the platform; their values would name the box.
_PLATFORM_NAMES = re.compile(r"^(RUNPOD|VAST|COLAB|KAGGLE|AutoDL)")


def refuse_used(folder: Path) -> None:
    """TailfinError where a recording could not be written without mixing with other files."""
    if folder.is_dir() and any(folder.iterdir()):
        raise TailfinError(
            f"{folder} is not empty.", "Name a folder that does not exist yet.", where=folder
        )
    if folder.exists() and not folder.is_dir():
        raise TailfinError(f"{folder} is a file.", "Name a new folder.", where=folder)


def write_recorded(host: RecordingHost, box: Box, folder: Path) -> int:
    """Write what the host noted while the box was gathered; returns the number of files.

    The folder is as docs/recorded-boxes.md says; OSError where it cannot be written.
    """
    unnoted = host.env.whole if isinstance(host.env, NotedEnvironment) else host.env
    redact = redactor_for(Host(unnoted, root=host.root))
    root = folder / "root"
    root.mkdir(parents=True, exist_ok=True)
    _write_tree(host, root, redact)
    _write(folder / "env", _environment(host, redact))
    nvml = host.nvml.answers() if isinstance(host.nvml, RecordingNvml) else {}
    python = host.python
    tables: dict[str, Any] = {
        "nvml.json": nvml,
        "disks.json": _disks(host.notes),
        "network.json": {
            **({"model": host.model} if host.model else {}),
            "replies": [_reply(*one) for one in host.notes.replies],
        },
        "python.json": {
            "executable": python.executable,
            "version": list(python.version),
            "paths": list(python.paths),
            "is_own": python.is_own,
        }
        if python
        else {},
        "probes.json": {
            name: {"code": ran.code, "out": ran.out, "err": ran.err, "seconds": ran.seconds}
            for name, ran in box.deep.ran.items()
        },
        "clock.json": {"now": host.now()},
    }
    for name, table in tables.items():
        if table:
            clean = _clean(table, redact)
            _write(folder / name, json.dumps(clean, indent=1, ensure_ascii=False) + "\n")
    return sum(len(files) for _, _, files in os.walk(folder))


def _write_tree(host: RecordingHost, root: Path, redact: Redactor) -> None:
    """First what was read, then empty files for what was only seen to be there."""
    texts = {path: text for path, text in host.notes.texts.items() if not _is_private(path)}
    for path in _opened(host):
        if path not in texts and not _is_private(path):
            texts[path] = Host(host.env, root=host.root).text(path)
    token = str(token_file(host.env))
    for path, text in sorted(texts.items()):
        told = REMOVED if path == token else _text(path, text, redact)
        _write(_below(root, path, redact), told)
        init = f"{os.path.dirname(path)}/__init__.py"
        if path.endswith("/version.py") and host.exists(init):
            _touch(_below(root, init, redact))
    for path, target in host.notes.links.items():
        if not _is_private(path) and "/dev/nvidia" in target:
            file = _below(root, path, redact)
            file.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(file):
                os.symlink(target, file)
    for path in sorted(_seen(host)):
        if not _is_private(path):
            _touch_as(host, path, _below(root, path, redact))


def _opened(host: RecordingHost) -> Iterator[str]:
    for file in sorted(host.notes.opened):
        path = host.shown(file)
        is_system = path.startswith(_SYSTEM)
        is_package = any(f"/{p}/" in path for p in _PACKAGES) and path.endswith(_PACKAGE_FILES)
        is_here = host.root == Path("/") or path != file
        if is_here and (is_system or is_package) and Path(file).exists():
            yield path


def _seen(host: RecordingHost) -> set[str]:
    """Paths that were asked about, and what stands in folders that were listed."""
    notes = host.notes
    listed = dict(notes.listed)
    for folder in notes.scanned:
        path = host.shown(folder)
        if host.root == Path("/") or path != folder:
            listed.setdefault(path, Host(host.env, root=host.root).names(path))
    seen = set(notes.looked)
    for folder, names in listed.items():
        if folder == "/proc" or folder.startswith("/proc/") or folder in ("/", ""):
            continue  # processes, which are recorded by what was read of them
        if not _is_listable(folder):
            continue
        in_packages = os.path.basename(folder) in _PACKAGES
        if kept := _KEPT_OF.get(_top(folder)):
            names = [name for name in names if kept.match(name)]  # noqa: PLW2901
        for name in names:
            if not in_packages or name.endswith(("-info", ".egg-link", ".pth")):
                seen.add(f"{folder.rstrip('/')}/{name}")
    return {path for path in seen if path.startswith("/") and path != "/"}


def _top(folder: str) -> str:
    """The first part of a path, but for packages, whose names all count."""
    is_of_packages = any(f"/{name}" in folder for name in _PACKAGES)
    return "" if is_of_packages else f"/{folder.split('/')[1]}"


def _is_listable(folder: str) -> bool:
    """Whether the names in it may be kept: of the system, of packages, of models in the cache."""
    system = (*_SYSTEM, "/lib", "/usr/lib", "/usr/local/", "/opt/")
    parts = folder.split("/")
    return (
        f"{folder}/".startswith(system)
        or any(one in _PACKAGES or one.startswith(("models--", "snapshots")) for one in parts)
        or parts[-1] in ("hub", "bitsandbytes")
    )


def _is_private(path: str) -> bool:
    return bool(_NEVER.search(path)) or _is_other_process(path)


def _is_other_process(path: str) -> bool:
    """Files of processes that are neither the first nor this one, but for their names."""
    match = re.match(r"/proc/(\d+)/(.*)$", path)
    return (
        match is not None and match[1] != "1" and not re.match(r"(comm|status|fd/\d+)$", match[2])
    )


def _text(path: str, text: str, redact: Redactor) -> str:
    if _ENVIRONMENTS.search(path):
        return _kept_settings(text, redact)
    if path.endswith(("/mountinfo", "/mounts", "/fstab")):
        return redact.mounts(text)
    return redact.text(text[:_MOST_TEXT])


def _kept_settings(text: str, redact: Redactor) -> str:
    """An environment with the names that matter here, and no value of a secret."""
    kept = []
    for line in re.split(r"(?<=[\0\n])", text):
        match = re.match(r"(\s*(?:export\s+)?)(\w+)=(.*?)([\0\n]?)$", line, re.DOTALL)
        if match and _KEPT_NAMES.match(match[2]):
            value = _value(match[2], match[3], redact)
            kept.append(f"{match[1]}{match[2]}={value}{match[4]}")
    return "".join(kept)


def _environment(host: RecordingHost, redact: Redactor) -> str:
    read = {
        name: host.env[name]
        for name in sorted(host.notes.names & set(host.env))
        if _ENVIRONMENT.match(name)
    }
    lines = [f"{name}={_value(name, value, redact)}" for name, value in read.items()]
    marks = [name for name in sorted(host.env) if _PLATFORM_NAMES.match(name) and name not in read]
    return "".join(f"{line}\n" for line in [*lines, *(f"{mark}={REMOVED}" for mark in marks)])


def _value(name: str, value: str, redact: Redactor) -> str:
    if not value or value.lower() in ("0", "1", "true", "false"):
        return value
    if SECRET_NAME.search(name) and not name.endswith("_PATH"):
        return REMOVED
    return redact.text(value).replace("\n", " ")


def _disks(notes: Notes) -> dict[str, Any]:
    """One entry per folder asked about; the longest one counts, which is the folder itself."""
    return {
        path: {"total": room.total, "free": room.free, "writable": room.writable}
        for path, room in sorted(notes.rooms.items())
    }


def _reply(method: str, url: str, has_token: bool, reply: Reply) -> dict[str, Any]:
    return {
        "method": method,
        "url": url.partition("?")[0],
        "token": has_token,
        "status": reply.status,
        "headers": {name: text for name, text in reply.headers.items() if name in _HEADERS},
        "error": reply.error,
        "seconds": round(reply.seconds, 2),
    }


def _clean(value: Any, redact: Redactor) -> Any:
    """The same table with every text in it redacted, keys too: they are paths in disks.json."""
    if isinstance(value, str):
        return redact.text(value)
    if isinstance(value, Mapping):
        return {redact.text(str(name)): _clean(one, redact) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one, redact) for one in value]
    return value


def _below(root: Path, path: str, redact: Redactor) -> Path:
    """Where a path of the box lies in the recording, `..` taken out."""
    return root / os.path.normpath(redact.text(path)).lstrip("/")


def _touch_as(host: RecordingHost, path: str, file: Path) -> None:
    """Leave something of the same kind: a folder, or an empty file."""
    there = Host(host.env, root=host.root).at(path)
    try:
        if not there.exists():
            return
        is_folder = there.is_dir()
    except OSError:
        return
    if not is_folder:
        _touch(file)
    elif not file.exists():
        file.mkdir(parents=True)
        distribution = re.match(r"(.+)-([^-]+)\.dist-info$", file.name)
        if distribution:
            text = f"Metadata-Version: 2.1\nName: {distribution[1]}\nVersion: {distribution[2]}\n"
            _write(file / "METADATA", text)


def _touch(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        return  # a folder of that name is enough


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
