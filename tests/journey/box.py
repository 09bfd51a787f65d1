"""A person's box in miniature: a home, a working folder with runs in it, `tailfin` on the PATH."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from engine.runs.state import observe
from engine.runs.store import RunFolder
from tests.process import ROOT
from tests.terminal import Terminal
from tests.tmux import Tmux

PROMPT = "box$"
_WITNESS = Path(__file__).parent / "witness"


class Box:
    """Everything lies in one folder. Runs that still live at the end are killed by `clear`."""

    def __init__(self, folder: Path, *, env: Mapping[str, str] | None = None) -> None:
        self.work = folder / "work"
        self.home = folder / "home"
        self.runs = self.work / "runs"
        self._testimonies = folder / "witness"
        programs = folder / "bin"
        for made in (self.work, self.home, self._testimonies, programs):
            made.mkdir(parents=True)
        self.program = programs / "tailfin"
        self.program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tui "$@"\n')
        self.program.chmod(0o755)
        self.env = {
            "HOME": str(self.home),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PS1": f"{PROMPT} ",
            "PYTHONPATH": f"{_WITNESS}{os.pathsep}{ROOT}",
            "JOURNEY_WITNESS": str(self._testimonies),
            **(env or {}),
        }

    def shell(
        self,
        columns: int = 80,
        lines: int = 24,
        *,
        env: Mapping[str, str] | None = None,
        term: str = "tmux-256color",
    ) -> Tmux:
        """A shell in tmux, as one gets it over SSH; returns once it asks for a command."""
        tmux = Tmux(
            ["/bin/sh"],
            columns=columns,
            lines=lines,
            env={**self.env, **(env or {})},
            cwd=self.work,
            term=term,
        )
        tmux.wait_for(PROMPT)
        return tmux

    def tailfin(
        self, *words: str, columns: int = 80, lines: int = 24, env: Mapping[str, str] | None = None
    ) -> Terminal:
        """The app alone in a pseudo-terminal."""
        return self.terminal([str(self.program), *words], columns=columns, lines=lines, env=env)

    def terminal(
        self,
        command: Sequence[str],
        *,
        columns: int = 80,
        lines: int = 24,
        env: Mapping[str, str] | None = None,
    ) -> Terminal:
        """A program of this box in a pseudo-terminal."""
        env = {**self.env, **(env or {})}
        return Terminal(command, columns=columns, lines=lines, env=env, cwd=self.work)

    def found_runs(self) -> list[RunFolder]:
        """Every run that was made so far, the oldest first."""
        folders = sorted(self.runs.iterdir()) if self.runs.is_dir() else []
        return [RunFolder(path) for path in folders if path.is_dir()]

    def only_run(self, timeout_s: float = 60) -> RunFolder:
        """The one run there is, once it has begun; AssertionError for none or several."""
        deadline = time.monotonic() + timeout_s
        while not any(run.events.exists() for run in self.found_runs()):
            assert time.monotonic() < deadline, "no run was begun"
            time.sleep(0.05)
        runs = self.found_runs()
        assert len(runs) == 1, runs
        return runs[0]

    def modules_of_screens(self) -> set[str]:
        """All that was imported in processes of the app that came to their own end."""
        told = [json.loads(path.read_text()) for path in self._testimonies.iterdir()]
        of_screens = [one["modules"] for one in told if one["command"][1:3] == ["-m", "tui"]]
        assert of_screens, "no process of the screens came to its own end"
        return set().union(*of_screens)

    def processes(self, *words: str) -> list[psutil.Process]:
        """What lives in this box and has all these words in its command line."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                is_here = process.environ().get("HOME") == str(self.home)
                if is_here and set(words) <= set(process.cmdline()):
                    found.append(process)
        return found

    def clear(self) -> None:
        """Kill everything that lives here."""
        while living := self.processes():
            for process in living:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(living, timeout=5)


def step_of(run: RunFolder) -> int:
    """The last step in the run's log."""
    return observe(run).status.step
