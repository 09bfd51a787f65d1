"""Where the doctor looks: this very box, or a recording of another one."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

# /dev/kmsg gives one record a read; more than a ring buffer holds means that it never ends.
_MOST_RECORDS = 20_000


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes of one file system, and whether something can be made in the folder asked about.

    `files_free` is how many files more it can hold; None where it counts none.
    """

    total: int
    free: int
    writable: bool = True
    files_free: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server said; `status` is 0 and `error` says why where nothing came back.

    Header names are lower case. Redirects are not followed: where they lead is an answer.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Python:
    """The interpreter that trains; `version` is (0, 0, 0) where it does not run.

    `paths` are its import path as that box names it. `is_own`: it is the one running now.
    """

    executable: str
    version: tuple[int, int, int]
    paths: tuple[str, ...] = ()
    is_own: bool = True


class Network(Protocol):
    """Asks one URL; never raises. `token` goes along as a bearer token where given."""

    def ask(self, method: str, url: str, *, token: str = "", timeout_s: float = 3.0) -> Reply: ...


class Disks(Protocol):
    """Room of the file system a folder lies on; None where it does not exist."""

    def room(self, path: str) -> Room | None: ...


@dataclass(frozen=True, slots=True)
class Ran:
    """How a probe's process ended: `code` is negative for a signal, None where time ran out."""

    code: int | None
    out: str = ""
    err: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Host:
    """All the doctor may ask, so that a recording can answer in its place.

    Paths are those of the box asked about; `at` turns one into a path that can be opened here.
    `nvml` is a binding with NVML's functions, None imports nvidia-ml-py when it is needed.
    """

    env: Mapping[str, str]
    root: Path = Path("/")
    nvml: Any = None
    disks: Disks | None = None
    network: Network | None = None
    python: Python | None = None
    probes: Mapping[str, Ran] | None = None
    """Outcomes of deep probes, by name; None runs them where they are asked for."""
    clock: float | None = None
    """Seconds since 1970 on that box; None is now."""
    model: str = ""
    """The hub's name of the model that is to be trained, where one was named."""

    @property
    def is_recorded(self) -> bool:
        return self.probes is not None

    def at(self, path: str | Path) -> Path:
        """Where a path of that box is found here."""
        return self.root / str(path).lstrip("/") if self.root != Path("/") else Path(path)

    def shown(self, path: str | Path) -> str:
        """The way back: a path found here as that box names it."""
        if self.root == Path("/"):
            return str(path)
        try:
            return "/" + str(Path(path).relative_to(self.root))
        except ValueError:
            return str(path)

    def text(self, path: str | Path) -> str:
        """A file's text, empty where it cannot be read."""
        try:
            return self.at(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def mode(self, path: str | Path) -> int | None:
        """A file's permission bits; None where it is not there or a recording cannot tell."""
        try:
            return None if self.is_recorded else self.at(path).stat().st_mode & 0o777
        except OSError:
            return None

    def names(self, path: str | Path) -> list[str]:
        """What a folder holds, sorted; nothing where it cannot be read."""
        try:
            return sorted(os.listdir(self.at(path)))
        except OSError:
            return []

    def exists(self, path: str | Path) -> bool:
        """Whether it is there; a dangling link is not."""
        try:
            return self.at(path).exists()
        except OSError:
            return False

    def link(self, path: str | Path) -> str:
        """Where a symbolic link leads, as it is written; a recording may hold it as a text."""
        try:
            return os.readlink(self.at(path))
        except OSError:
            return self.text(path).strip() if self.is_recorded else ""

    def tail(self, path: str | Path, size: int = 2**18) -> str:
        """The last bytes of a file that may be huge; of /dev/kmsg what it holds, without waiting.

        Empty where it cannot be read.
        """
        try:
            file = os.open(self.at(path), os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return ""
        try:
            return _tail(file, size).decode("utf-8", "replace")
        except OSError:
            return ""
        finally:
            os.close(file)

    def head(self, path: str | Path, size: int) -> bytes:
        """The first bytes of a file, none where it cannot be read."""
        try:
            with open(self.at(path), "rb") as file:
                return file.read(size)
        except OSError:
            return b""

    def which(self, program: str) -> str:
        """Where a program is found on that box's PATH, empty where it is not."""
        for folder in self.env.get("PATH", "").split(":"):
            file = f"{folder}/{program}"
            if (
                folder
                and self.at(file).is_file()
                and (self.is_recorded or os.access(self.at(file), os.X_OK))
            ):
                return file
        return ""

    def room(self, path: str | Path) -> Room | None:
        """Room where a folder lies; None where there is no such folder."""
        if self.disks is not None:
            return self.disks.room(str(path))
        return _room(self.at(path))

    def ask(self, method: str, url: str, *, token: str = "", timeout_s: float = 3.0) -> Reply:
        """Ask a server; can take longer than the limit where a name is looked up."""
        if self.network is not None:
            return self.network.ask(method, url, token=token, timeout_s=timeout_s)
        return _ask(method, url, token, timeout_s)

    def now(self) -> float:
        return time.time() if self.clock is None else self.clock


def this_host(env: Mapping[str, str] | None = None) -> Host:
    """The box this program runs on."""
    return Host(_as_given(os.environ) if env is None else env)


def _as_given(env: Mapping[str, str]) -> dict[str, str]:
    """The environment as the shell handed it over: Python sets LC_CTYPE itself where none is.

    peps.python.org/pep-0538: a locale of C becomes UTF-8, which hides that tmux sees none.
    """
    given = dict(env)
    if given.get("LC_CTYPE", "").upper().endswith(("UTF-8", "UTF8")):
        try:
            block = Path("/proc/self/environ").read_bytes()
        except OSError:
            return given
        if block and b"LC_CTYPE" not in {pair.partition(b"=")[0] for pair in block.split(b"\0")}:
            del given["LC_CTYPE"]
    return given


def own_python() -> Python:
    """The interpreter running now."""
    version = (sys.version_info[0], sys.version_info[1], sys.version_info[2])
    return Python(sys.executable, version, tuple(sys.path))


def _tail(file: int, size: int) -> bytes:
    status = os.fstat(file)
    if stat.S_ISREG(status.st_mode):
        os.lseek(file, max(0, status.st_size - size), os.SEEK_SET)
        return os.read(file, size)
    records: list[bytes] = []
    for _ in range(_MOST_RECORDS):
        try:
            records.append(os.read(file, 8192))
        except BrokenPipeError:  # overwritten meanwhile; the next read goes on after the gap
            continue
        except BlockingIOError:
            break
    return b"".join(records)


def _room(path: Path) -> Room | None:
    try:
        seen = os.statvfs(path)
    except OSError:
        return None
    writable = path.is_dir() and os.access(path, os.W_OK | os.X_OK)
    files_free = seen.f_favail if seen.f_files else None
    return Room(seen.f_blocks * seen.f_frsize, seen.f_bavail * seen.f_frsize, writable, files_free)


def _ask(method: str, url: str, token: str, timeout_s: float) -> Reply:
    import http.client
    import urllib.error
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: Any) -> None:
            return None

    request = urllib.request.Request(url, method=method)
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    began = time.monotonic()
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=timeout_s) as reply:
            status, headers = reply.status, reply.headers
    except urllib.error.HTTPError as error:
        status, headers = error.code, error.headers
        error.close()
    except urllib.error.URLError as error:
        return Reply(error=str(error.reason), seconds=time.monotonic() - began)
    except (OSError, ValueError, http.client.HTTPException) as error:
        said = str(error) or type(error).__name__
        return Reply(error=said, seconds=time.monotonic() - began)
    plain = {name.lower(): value for name, value in headers.items()}
    return Reply(status, plain, "", time.monotonic() - began)
