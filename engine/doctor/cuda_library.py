"""Which libcuda.so.1 a program loads here: a wrong one makes a working GPU look absent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.doctor.facts import Box
from engine.doctor.gpu_facts import CudaLibrary
from engine.doctor.host import Host
from engine.doctor.remedies import as_root, change_host
from engine.findings import Finding

_NAME = "libcuda.so.1"
_VERSIONED = re.compile(r"libcuda\.so\.(\d{3,}(?:\.\d+)+)")
_COMPAT = re.compile(r"/(?:cuda-)?compat(?:/|$)")
_STUBS = re.compile(r"/stubs(?:/|$)")
# The loader's own folders, after those its configuration names; the last two are usual mounts.
_DEFAULTS = (
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/lib/wsl/lib",
    "/run/opengl-driver/lib",
)


def read_cuda_library(host: Host) -> CudaLibrary:
    """Resolve it as the loader does: LD_LIBRARY_PATH, its configuration, its own folders."""
    set_path = host.env.get("LD_LIBRARY_PATH", "")
    cached = set(re.findall(r"/[^\0\n]*/libcuda\.so\.1(?=\0|$)", host.text("/etc/ld.so.cache")))
    was_searched = False
    for folder, set_by in _folders(host, set_path):
        names = _names(host, folder)
        was_searched = was_searched or any(".so" in name for name in names)
        file = f"{folder.rstrip('/')}/{_NAME}"
        has_it = _NAME in names or any(_VERSIONED.fullmatch(name) for name in names)
        # What the configuration names counts only once the loader's cache knows it.
        is_stale = set_by.startswith("/etc/") and bool(cached) and file not in cached
        if has_it and not is_stale:
            rest = [one for one in set_path.split(":") if one and not _is_left(one, folder)]
            return CudaLibrary(file, _version(host, file, names), set_by, ":".join(rest), True)
    return CudaLibrary(was_searched=was_searched)


def check_cuda_library(box: Box) -> list[Finding]:
    """A libcuda that does not belong to this driver (nvidia-docker#1294, mistral-inference#144)."""
    library, gpu = box.gpu.library, box.gpu
    if not gpu.handed or not library.path:
        return []
    if _STUBS.search(library.path):
        message = f"Programs load {library.path}, a stand-in for building that has no driver in it."
        why = "torch sees no GPU with it, and training falls back to the CPU or ends at once."
        return [Finding("gpu.cuda-stub", "fail", message, _leave(box), library.path, why)]
    if not _COMPAT.search(library.path) or _is_same(library.version, gpu.driver):
        return []
    release = f" (driver {library.version})" if library.version else ""
    message = (
        f"Programs load the forward compatibility library {library.path}{release} "
        f"instead of the one of driver {gpu.driver or 'of this host'}."
    )
    if any(card.is_consumer for card in gpu.seen):
        name = next(card.name for card in gpu.seen if card.is_consumer)
        why = (
            f"Forward compatibility is for data center cards; on a {name} CUDA does not start "
            "(error 804), and torch sees no GPU."
        )
        return [Finding("gpu.cuda-compat", "fail", message, _leave(box), library.path, why)]
    if library.version and gpu.driver and _numbers(library.version) < _numbers(gpu.driver):
        why = "A compatibility library must be newer than the driver; an older one does not start."
        return [Finding("gpu.cuda-compat", "warn", message, _leave(box), library.path, why)]
    return []


def _leave(box: Box) -> str:
    """The command after which the loader no longer finds this library."""
    library = box.gpu.library
    if library.set_by == "LD_LIBRARY_PATH":
        return (
            f"export LD_LIBRARY_PATH={library.without}"
            if library.without
            else ("unset LD_LIBRARY_PATH")
        )
    folder = library.path.rpartition("/")[0]
    if library.set_by.startswith("/etc/"):
        command = f"sed -i '\\#^{folder}/*$#d' {library.set_by} && ldconfig"
        return as_root(box.platform, command)
    return (
        f"Use an image whose CUDA is not newer than the driver's, or: {change_host(box.platform)}"
    )


def _folders(host: Host, set_path: str) -> Iterator[tuple[str, str]]:
    for folder in set_path.split(":"):
        if folder:
            yield folder.rstrip("/") or "/", "LD_LIBRARY_PATH"
    yield from _configured(host, "/etc/ld.so.conf", 0)
    if "ld.so.conf.d" not in host.text("/etc/ld.so.conf"):
        yield from _included(host, "/etc/ld.so.conf.d/*.conf", 0)
    for folder in _DEFAULTS:
        yield folder, ""


def _configured(host: Host, file: str, depth: int) -> Iterator[tuple[str, str]]:
    for line in host.text(file).splitlines():
        told = line.partition("#")[0].strip()
        if told.startswith("include ") and depth < 3:
            yield from _included(host, told.split(None, 1)[1], depth)
        elif told.startswith("/"):
            yield told.rstrip("/"), file


def _included(host: Host, pattern: str, depth: int) -> Iterator[tuple[str, str]]:
    folder, _, names = pattern.rpartition("/")
    folder = folder if folder.startswith("/") else f"/etc/{folder}".rstrip("/")
    wanted = re.compile(re.escape(names).replace(r"\*", ".*"))
    for name in host.names(folder):
        if wanted.fullmatch(name):
            yield from _configured(host, f"{folder}/{name}", depth + 1)


def _names(host: Host, folder: str) -> list[str]:
    """What a folder holds; /usr/local/cuda is a link that may lead out of a recording."""
    names = host.names(folder)
    if names or not folder.startswith("/usr/local/cuda/"):
        return names
    rest = folder.removeprefix("/usr/local/cuda")
    releases = [name for name in host.names("/usr/local") if name.startswith("cuda-")]
    return next((found for one in releases if (found := host.names(f"/usr/local/{one}{rest}"))), [])


def _version(host: Host, file: str, names: list[str]) -> str:
    link = host.link(file)
    match = _VERSIONED.search(link)
    if match:
        return match[1]
    told = [found[1] for name in names if (found := _VERSIONED.fullmatch(name))]
    return told[0] if len(told) == 1 else ""


def _is_left(folder: str, found: str) -> bool:
    return folder.rstrip("/") == found or bool(_COMPAT.search(folder) or _STUBS.search(folder))


def _is_same(version: str, driver: str) -> bool:
    return bool(version) and version == driver


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
