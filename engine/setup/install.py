"""The installer's commands: built as values, so that they can be shown before they run."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.errors import EXIT_NO, TailfinError


@dataclass(frozen=True, slots=True)
class Install:
    """One call of pip: what is asked for, under which pins, from which index ("" is pip's own).

    `backend` names a CUDA build of torch such as `cu128`; uv installs it then, which knows where
    PyTorch keeps its builds. `removes`: the packages are taken away instead.
    """

    wanted: tuple[str, ...]
    pins: tuple[str, ...] = ()
    index: str = ""
    options: tuple[str, ...] = ()
    backend: str = ""
    removes: bool = False

    def command(self, python: str, pins_file: str) -> list[str]:
        if self.removes:
            return [python, "-m", "pip", "uninstall", "--yes", *self.wanted]
        if self.backend:
            command = [python, "-m", "uv", "pip", "install", "--python", python]
            command += [f"--torch-backend={self.backend}"]
        else:
            command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        command += self.options
        if self.index:
            command += ["--index-url", self.index]
        if self.pins:
            command += ["--constraint", pins_file]
        return command + list(self.wanted)

    def text(self, python: str) -> str:
        """The command as a person would type it."""
        return shlex.join(self.command(python, f"<{len(self.pins)} pins>"))


def run_installs(
    installs: Sequence[Install], python: str = sys.executable, cwd: Path | None = None
) -> None:
    """Run installs in order, their progress on stderr; TailfinError where one fails."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tailfin-setup-")))
        for number, install in enumerate(installs):
            pins_file = folder / f"pins-{number}.txt"
            pins_file.write_text("".join(f"{pin}\n" for pin in install.pins), encoding="utf-8")
            command = install.command(python, str(pins_file))
            done = subprocess.run(
                command, check=False, cwd=cwd, stdin=subprocess.DEVNULL, stdout=sys.stderr
            )
            if done.returncode != 0:
                tool = command[2]
                raise TailfinError(
                    f"{tool} ended with exit code {done.returncode}; its last lines say why.",
                    "Check the network and the free disk space, then run the same command again: "
                    "what was fetched is kept.",
                    where=python,
                    error_id=f"setup.{tool}-failed",
                    exit_code=EXIT_NO,
                )
