"""A program in a real tmux of its own, driven by keys and read as a person would read it."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil

from tests.keys import tmux_name
from tests.terminal import terminal_environment

_EVERY_S = 0.05
_numbers = itertools.count(1)


def available() -> str:
    """Empty where tmux is there; otherwise why a test that needs it is left out."""
    return "" if shutil.which("tmux") else "tmux is not installed"


class Tmux:
    """One detached tmux session whose pane has exactly `columns` x `lines` cells.

    It has its own socket, no configuration file and, unless `env` says otherwise, an empty HOME.
    The pane stays readable after its program ended. Use it as a context manager.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 80,
        lines: int = 24,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        term: str = "tmux-256color",
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tailfin-tmux-")
        home = Path(self._folder.name) / "home"
        home.mkdir()
        self._env = terminal_environment({"HOME": str(home), **(env or {})})
        # The socket lies in our own folder: nothing is left behind, and no other tmux is met.
        self._env |= {"TMUX_TMPDIR": self._folder.name, "SHELL": "/bin/sh"}
        self._name = f"tailfin-{os.getpid()}-{next(_numbers)}"
        options = {
            "status": "off",
            "default-terminal": term,
            "remain-on-exit": "on",
            "remain-on-exit-format": "",  # its words would scroll the last screen up by a line
        }
        settings = [w for name, value in options.items() for w in ("set", "-gq", name, value, ";")]
        size = ["-x", str(columns), "-y", str(lines)]
        # exec: the pane's first process is then the program itself and no shell.
        program = f"exec {shlex.join(command)}"
        started = ["new-session", "-d", *size, "-c", str(cwd or Path.cwd()), program]
        try:
            self._tmux("-f", "/dev/null", "-u", "start-server", ";", *settings, *started)
            self.pid = int(self._ask("#{pane_pid}"))
            # Held as psutil does, by number and birth: a number alone may be somebody else's later.
            self._program = _process(self.pid)
            self._server = psutil.Process(int(self._ask("#{pid}")))
        except BaseException:
            self._kill_server()
            self._folder.cleanup()
            raise

    def __enter__(self) -> Tmux:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def screen(self) -> list[str]:
        """The visible lines from the top, right-stripped."""
        return [line.rstrip() for line in self._tmux("capture-pane", "-p").split("\n")[:-1]]

    @property
    def text(self) -> str:
        return "\n".join(self.screen)

    @property
    def is_alive(self) -> bool:
        """Whether the program in the pane still runs."""
        try:
            return self._ask("#{pane_dead}") == "0"
        except subprocess.CalledProcessError:
            return False

    def send(self, text: str) -> None:
        """Type a text as it is."""
        self._tmux("send-keys", "-l", "--", text)

    def keys(self, *names: str) -> None:
        """Press keys by name, as in tests/terminal.py: `down`, `enter`, `ctrl+c`, `f1`, `x`."""
        for name in names:
            if len(name) == 1:
                self.send(name)
            else:
                self._tmux("send-keys", tmux_name(name))
            if name == "escape":
                time.sleep(0.2)  # or it would be taken for the beginning of another key

    def wait_for(self, wanted: str | Callable[[str], bool], timeout_s: float = 10) -> str:
        """Wait for a text on the screen, or until a condition on its text holds; returns the text.

        Raises AssertionError, with the screen, when it never comes.
        """
        holds = wanted if callable(wanted) else lambda text: wanted in text
        deadline = time.monotonic() + timeout_s
        while not holds(text := self.text):
            if time.monotonic() > deadline:
                state = "it runs" if self.is_alive else "it ended"
                what = "what was waited for" if callable(wanted) else repr(wanted)
                frame = "\n".join(f"|{line}" for line in text.split("\n"))
                raise AssertionError(
                    f"{what} was not shown within {timeout_s} s; {state}; on the screen:\n{frame}"
                )
            time.sleep(_EVERY_S)
        return text

    def wait(self, timeout_s: float = 10) -> int:
        """The program's exit code, negative for the signal that ended it, as subprocess has it.

        AssertionError while it still runs.
        """
        deadline = time.monotonic() + timeout_s
        # tmux calls a pane dead when its output has ended, before it knows how the program ended.
        while not (ended := self._ask("#{pane_dead_status},#{pane_dead_signal}")).strip(","):
            if time.monotonic() > deadline:
                raise AssertionError(f"it still ran after {timeout_s} s:\n{self.text}")
            time.sleep(_EVERY_S)
            # tmux 3.3a now and then misses the signal and leaves the program a zombie for ever:
            # told once more, it asks the kernel for the code.
            with contextlib.suppress(psutil.NoSuchProcess):
                self._server.send_signal(signal.SIGCHLD)
        status, _, number = ended.partition(",")
        return int(status) if status else -int(number)

    def resize(self, columns: int, lines: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def kill(self) -> None:
        """Kill the terminal under the program: tmux is gone at once, the program gets SIGHUP."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._server.kill()

    def close(self) -> None:
        """End the session, the program and whatever it started in this terminal."""
        self._kill_server()
        if self._program is not None and self._program.is_running():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self._folder.cleanup()

    def _kill_server(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._tmux("kill-server")

    def _ask(self, format_text: str) -> str:
        return self._tmux("display-message", "-p", format_text).strip()

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._name, *words],
            env=self._env,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=20,
            check=True,
        )
        return done.stdout


def _process(pid: int) -> psutil.Process | None:
    """The process, or None where it has ended already."""
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
