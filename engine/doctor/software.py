"""What is installed beside torch and how it was built, read from files; nothing is imported."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.doctor.host import Host, Python
from engine.setup.here import this_glibc
from engine.setup.installed import Distribution, normalise
from engine.setup.torch_build import read_build

_LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")
_USUAL_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
_ARM_LOADERS = ("/lib/ld-linux-aarch64.so.1", "/usr/lib/ld-linux-aarch64.so.1")
# The names a library looks for stand in a table at its beginning, whatever its size.
_SYMBOLS_BYTES = 4 * 2**20
_NEW_ABI = b"_ZN3c105ErrorC2ENS_14SourceLocationENSt7__cxx11"
_OLD_ABI = b"_ZN3c105ErrorC2ENS_14SourceLocationESs"


@dataclass(frozen=True, slots=True)
class FlashAttention:
    """An installed flash-attn; `wheel` is the file name it came as, where that is known.

    `abi` is "new" or "old" C++ ABI, empty if it cannot be told; `glibc` the newest it asks for.
    """

    version: str
    wheel: str = ""
    abi: str = ""
    glibc: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class CxxLibrary:
    """A libstdc++: its folder and the newest GLIBCXX_3.4.N in it, 0 where it cannot be told."""

    folder: str
    newest: int


@dataclass(frozen=True, slots=True)
class SoftwareFacts:
    """Packages by normalised name, and what of the system torch's own compilers need.

    `torches` are the copies of torch on the import path, folder and version, first found first.
    `cut_short` are metadata folders without their METADATA. `header` is where Python.h is looked
    for, `has_header` None where the interpreter's own folder is not known; `compiler` is empty
    where there is none, None where nobody looked. `cxx` is the libstdc++
    that LD_LIBRARY_PATH or a conda environment puts before the system's, `system_cxx`.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    torches: tuple[tuple[str, str], ...] = ()
    cut_short: tuple[str, ...] = ()
    user_site: bool = False
    flash: FlashAttention | None = None
    torch_abi: str = ""
    compiler: str | None = None
    header: str = ""
    has_header: bool | None = None
    glibc: tuple[int, int] = (0, 0)
    machine: str = "x86_64"
    cxx: CxxLibrary | None = None
    system_cxx: CxxLibrary | None = None
    cxx_is_set: bool = False
    accelerate_config: str = ""
    externally_managed: bool = False
    other_python: str = ""


def read_software(host: Host, there: Python, known: Mapping[str, Distribution]) -> SoftwareFacts:
    """Read it for the interpreter that trains."""
    torches = tuple(_torches(host, there.paths))
    header, has_header = _header(host, there)
    set_cxx = _cxx(host, host.env.get("LD_LIBRARY_PATH", "").split(":"))
    home = host.env.get("HOME", "/root")
    return SoftwareFacts(
        versions={name: dist.version for name, dist in known.items()},
        torches=torches,
        cut_short=tuple(_cut_short(host, known)),
        user_site=bool(torches) and "/.local/lib/" in torches[0][0],
        flash=_flash(host, known.get("flash-attn"), there.paths),
        torch_abi=_abi(host.head(f"{torches[0][0]}/lib/libc10.so", _SYMBOLS_BYTES))
        if torches
        else "",
        compiler=_compiler(host),
        header=header,
        has_header=has_header,
        glibc=_glibc(host),
        machine="aarch64" if any(host.exists(file) for file in _ARM_LOADERS) else "x86_64",
        cxx=set_cxx or _cxx(host, _conda(host, there)),
        system_cxx=_cxx(host, _LIBRARIES),
        cxx_is_set=set_cxx is not None,
        accelerate_config=_accelerate_config(host, home),
        externally_managed=_externally_managed(host, there),
        other_python=_other_python(host),
    )


def prefix(there: Python) -> str:
    """The folder an interpreter's standard library is installed below, empty where not known."""
    numbers = f"{there.version[0]}.{there.version[1]}"
    for path in there.paths:
        match = re.fullmatch(rf"(.*)/lib(?:64)?/python{re.escape(numbers)}", path.rstrip("/"))
        if match:
            return match[1] or "/"
    return ""


def _torches(host: Host, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    seen = set()
    for path in paths:
        folder = f"{path.rstrip('/')}/torch"
        real = os.path.realpath(host.at(folder))
        build = read_build(host.at(folder)) if real not in seen else None
        seen.add(real)
        if build is not None:
            yield folder, build.version


def _cut_short(host: Host, known: Mapping[str, Distribution]) -> Iterator[str]:
    """Metadata folders an interrupted installation left: a RECORD or INSTALLER, no METADATA."""
    for dist in known.values():
        if not dist.metadata.name.endswith(".dist-info") or (dist.metadata / "METADATA").exists():
            continue
        if any((dist.metadata / name).exists() for name in ("RECORD", "INSTALLER", "WHEEL")):
            yield host.shown(dist.metadata)


def _flash(host: Host, dist: Distribution | None, paths: Sequence[str]) -> FlashAttention | None:
    if dist is None:
        return None
    told = host.text(host.shown(dist.metadata / "direct_url.json"))
    wheel = re.search(r'/([^/"]*\.whl)', told)
    symbols = b""
    for path in paths:
        names = [name for name in host.names(path) if name.startswith("flash_attn_2_cuda")]
        if names:
            symbols = host.head(f"{path}/{names[0]}", _SYMBOLS_BYTES)
            break
    asked = [(int(a), int(b)) for a, b in re.findall(rb"GLIBC_(\d+)\.(\d+)", symbols)]
    name = wheel[1].replace("%2B", "+") if wheel else dist.version
    return FlashAttention(dist.version, name, _abi(symbols), max(asked, default=(0, 0)))


def _abi(symbols: bytes) -> str:
    return "new" if _NEW_ABI in symbols else "old" if _OLD_ABI in symbols else ""


def _compiler(host: Host) -> str:
    """The C compiler Triton takes: CC, then gcc, then clang (its runtime/build.py)."""
    named = host.env.get("CC", "").split(" ")[0]
    if named:
        return named if host.exists(named) or host.which(named) else ""
    for program in ("gcc", "clang"):
        found = host.which(program)
        if not found and not host.env.get("PATH"):
            folders = (f"{folder}/{program}" for folder in _USUAL_PATH)
            found = next((file for file in folders if host.exists(file)), "")
        if found:
            return found
    return ""


def _header(host: Host, there: Python) -> tuple[str, bool | None]:
    base = prefix(there)
    if not base:
        return "", None
    file = f"{base.rstrip('/')}/include/python{there.version[0]}.{there.version[1]}/Python.h"
    return file, host.exists(file)


def _glibc(host: Host) -> tuple[int, int]:
    """The C library's version: asked here; of a recorded box from its files."""
    if not host.is_recorded and str(host.root) == "/":
        return this_glibc()
    for folder in (*_LIBRARIES, "/lib/x86_64-linux-gnu", "/lib64"):
        for name in host.names(folder):
            match = re.fullmatch(r"libc-(\d+)\.(\d+)\.so", name)
            if match:
                return int(match[1]), int(match[2])
        match = re.search(r"stable release version (\d+)\.(\d+)", host.text(f"{folder}/libc.so.6"))
        if match:
            return int(match[1]), int(match[2])
    match = re.search(r"ldd \([^)]*\) (\d+)\.(\d+)", host.text("/usr/bin/ldd"))
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _conda(host: Host, there: Python) -> list[str]:
    """The library folder of a conda environment: its interpreter looks there before the system."""
    bases = (there.executable.rpartition("/bin/")[0], prefix(there))
    return [f"{base}/lib" for base in bases if base and host.exists(f"{base}/conda-meta")]


def _cxx(host: Host, folders: Sequence[str]) -> CxxLibrary | None:
    """The first libstdc++.so.6 in these folders, and how new it is."""
    for folder in folders:
        names = [name for name in host.names(folder) if name.startswith("libstdc++.so.6")]
        if not folder or not names:
            continue
        # libstdc++.so.6.0.30 is the file of GLIBCXX_3.4.30.
        numbers = [int(match[1]) for name in names if (match := _CXX_FILE.fullmatch(name))]
        if not numbers:
            linked = host.link(f"{folder}/libstdc++.so.6")
            numbers = [int(match[1]) for match in [_CXX_FILE.search(linked)] if match]
        if not numbers:
            symbols = host.head(f"{folder}/libstdc++.so.6", _SYMBOLS_BYTES)
            numbers = [int(number) for number in re.findall(rb"GLIBCXX_3\.4\.(\d+)", symbols)]
        return CxxLibrary(folder, max(numbers, default=0))
    return None


_CXX_FILE = re.compile(r"libstdc\+\+\.so\.6\.0\.(\d+)")


def _accelerate_config(host: Host, home: str) -> str:
    """Where `accelerate config` saved its answers (its commands/config/config_args.py)."""
    cache = host.env.get("XDG_CACHE_HOME") or f"{home}/.cache"
    base = host.env.get("HF_HOME") or f"{cache}/huggingface"
    for name in ("default_config.yaml", "default_config.yml", "default_config.json"):
        file = f"{base}/accelerate/{name}"
        if host.exists(file):
            return file
    return ""


def _externally_managed(host: Host, there: Python) -> bool:
    """Whether pip refuses this interpreter (PEP 668); never in a virtual environment."""
    base = there.executable.rpartition("/bin/")[0]
    if base and host.exists(f"{base}/pyvenv.cfg"):
        return False
    if host.env.get("PIP_BREAK_SYSTEM_PACKAGES", "").lower() in ("1", "true", "yes", "on"):
        return False
    numbers = f"{there.version[0]}.{there.version[1]}"
    return any(
        host.exists(f"{path}/EXTERNALLY-MANAGED")
        for path in there.paths
        if path.rstrip("/").endswith(f"/python{numbers}")
    )


def _other_python(host: Host) -> str:
    """A newer Python that is here already."""
    names = ("python3.13", "python3.12", "python3.11")
    return next((found for name in names if (found := host.which(name))), "")


def is_cuda_library(name: str) -> int:
    """The CUDA major of one of NVIDIA's libraries as a package, 0 for any other package.

    Only those that unpack into the same folder whichever CUDA they are for.
    """
    match = re.fullmatch(r"nvidia-(?:cudnn|nccl|nvshmem|cusparselt|cublas)-cu(\d\d)", name)
    return int(match[1]) if match and name == normalise(name) else 0
