"""Whether packages may be installed into an interpreter, and what to do where not."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from sysconfig import get_path

from engine.errors import TailfinError

MIN_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What decides whether pip may write here."""

    version: tuple[int, int]
    in_environment: bool
    externally_managed: bool
    has_pip: bool
    has_venv: bool

    @property
    def python(self) -> str:
        return f"python{self.version[0]}.{self.version[1]}"


def this_interpreter(stdlib: Path | None = None) -> Interpreter:
    """The running one; `stdlib` is where the marker of PEP 668 is looked for."""
    folder = stdlib if stdlib is not None else Path(get_path("stdlib"))
    return Interpreter(
        version=sys.version_info[:2],
        in_environment=sys.prefix != sys.base_prefix,
        externally_managed=(folder / "EXTERNALLY-MANAGED").is_file(),
        has_pip=find_spec("pip") is not None,
        # Debian ships venv without ensurepip until python3-venv is installed.
        has_venv=find_spec("venv") is not None and find_spec("ensurepip") is not None,
    )


def check_can_install(here: Interpreter, env: Mapping[str, str]) -> None:
    """Refuse an interpreter that pip must not or cannot write into."""
    if here.externally_managed and not here.in_environment and not may_break_system(env):
        raise TailfinError(
            f"This Python ({sys.executable}) belongs to the operating system, which forbids "
            "installing packages into it (PEP 668).",
            f"Make an environment that still sees the box's torch: {here.python} -m venv "
            "--system-site-packages ~/tailfin-env, install tailfin there, "
            "then run: ~/tailfin-env/bin/tailfin setup",
            error_id="setup.externally-managed",
        )
    if not here.has_pip:
        raise TailfinError(
            f"This Python ({sys.executable}) has no pip.",
            f"Run: {sys.executable} -m ensurepip --upgrade",
            error_id="setup.pip-missing",
        )


def may_break_system(env: Mapping[str, str]) -> bool:
    """Whether the user insists on installing into the system's own Python."""
    return env.get("PIP_BREAK_SYSTEM_PACKAGES", "").lower() in ("1", "true", "yes", "on")


def check_can_make_environment(here: Interpreter) -> None:
    """Refuse an interpreter that cannot make a virtual environment."""
    if not here.has_venv:
        raise TailfinError(
            f"This Python ({sys.executable}) cannot make virtual environments: "
            "its venv or ensurepip module is missing.",
            f"Run: apt-get update && apt-get install -y {here.python}-venv "
            "(other systems: the package that holds ensurepip), then the same command again.",
            error_id="setup.venv-missing",
        )
