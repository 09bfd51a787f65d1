"""The project's own virtual environment, and whether it is already complete."""

from __future__ import annotations

import hashlib
import json
import site
import subprocess
import sys
import venv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EXIT_NO, TailfinError

_STAMP = "tailfin-setup.json"
_PARENT_PTH = "_tailfin_parent.pth"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a finished setup left behind: the key of its inputs, extras, and a reused torch."""

    key: str
    extras: tuple[str, ...]
    torch_folder: str = ""

    def covers(self, key: str, extras: Iterable[str]) -> bool:
        """Whether nothing is left to do for these inputs and extras."""
        torch_there = not self.torch_folder or Path(self.torch_folder, "version.py").is_file()
        return self.key == key and set(extras) <= set(self.extras) and torch_there


def python_of(environment: Path) -> Path:
    return environment / "bin" / "python"


def setup_key(files: Sequence[Path], *words: str) -> str:
    """One hash of everything that decides what is installed: files and words such as versions."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    for word in words:
        digest.update(word.encode() + b"\0")
    return digest.hexdigest()


def read_stamp(environment: Path) -> Stamp | None:
    """The stamp of a finished setup, or None: not set up, cut short, or not readable."""
    try:
        data = json.loads((environment / _STAMP).read_text(encoding="utf-8"))
        stamp = Stamp(str(data["key"]), tuple(data["extras"]), str(data["torch_folder"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return stamp if python_of(environment).exists() else None


def write_stamp(environment: Path, stamp: Stamp) -> None:
    """Written last, by rename, so that a setup cut short is done again."""
    data = {"key": stamp.key, "extras": stamp.extras, "torch_folder": stamp.torch_folder}
    partial = environment / f"{_STAMP}.part"
    partial.write_text(json.dumps(data) + "\n", encoding="utf-8")
    partial.replace(environment / _STAMP)


def make_environment(environment: Path, *, see_parent: bool) -> bool:
    """Make the environment, or keep one that works and fits; returns whether it was made anew.

    With `see_parent` the packages of the running interpreter shine through, also where that one
    is a virtual environment itself (a venv made from a venv only sees the system's packages).
    """
    made = not (environment.exists() and _fits(environment, see_parent))
    if made:
        _create(environment, see_parent)
    if see_parent and sys.prefix != sys.base_prefix:
        parent = "".join(f"{path}\n" for path in site.getsitepackages())
        (_site_packages(environment) / _PARENT_PTH).write_text(parent, encoding="utf-8")
    return made


def _create(environment: Path, see_parent: bool) -> None:
    try:
        venv.EnvBuilder(
            system_site_packages=see_parent, clear=True, symlinks=True, with_pip=True
        ).create(environment)
    except (OSError, subprocess.CalledProcessError) as error:
        raise TailfinError(
            f"The virtual environment could not be made: {error}.",
            "Check that the folder is writable and has space, then run the same command again.",
            where=environment,
            error_id="setup.venv-failed",
            exit_code=EXIT_NO,
        ) from error


def _fits(environment: Path, see_parent: bool) -> bool:
    """Whether it runs, has pip, has this Python's version and sees as much as asked."""
    try:
        config = (environment / "pyvenv.cfg").read_text(encoding="utf-8")
        done = subprocess.run(
            [python_of(environment), "-c", "import pip, sys; print(sys.version)"],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    sees = "include-system-site-packages = true" in config
    return done.returncode == 0 and done.stdout.strip() == sys.version and sees == see_parent


def _site_packages(environment: Path) -> Path:
    major, minor = sys.version_info[:2]
    return environment / "lib" / f"python{major}.{minor}" / "site-packages"
