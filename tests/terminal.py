"""A program in a real pseudo-terminal: what it shows, what it costs, and how its link dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.emulator import Emulator
from tests.keys import sequence
from tests.process import ROOT

# Longer than the wait by which Textual tells Escape from the beginning of another key (0.1 s).
_AFTER_ESCAPE_S = 0.2
_FRAME = re.compile(rb"\x1b\[\?2026h(.*?)\x1b\[\?2026l", re.DOTALL)
# What the shell that runs the tests may have set, and what would change the drawing.
_UNWANTED = (
    *("COLORTERM", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "STY", "TERM_PROGRAM"),
    *("TEXTUAL", "TEXTUAL_ANIMATIONS", "TEXTUAL_THEME", "TMUX", "TMUX_PANE"),
)


def terminal_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of somebody who came in over SSH: 256 colours, UTF-8, no network."""
    env = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    env |= {
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    return env | dict(more or {})


class Terminal:
    """Runs a command in a pseudo-terminal of its own and reads all it draws, in a thread.

    Use it as a context manager: at the end the program is killed and reaped, whatever it does.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 80,
        lines: int = 24,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._emulator = Emulator(columns, lines)
        self._raw = bytearray()
        self._changed = threading.Condition()
        self._stalled = self._closing = self._ended = False
        self._master, slave = os.openpty()
        self._wake_reader, self._wake = os.pipe()
        self._set_size(columns, lines)
        self.spawned = self._arrived = time.monotonic()
        try:
            # setsid makes the terminal the controlling one, in the place of this very process,
            # so that a hang-up reaches the program as it does over SSH.
            self._process = subprocess.Popen(
                ["setsid", "--ctty", *command],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=terminal_environment(env),
                cwd=cwd,
            )
        except BaseException:
            for fd in (self._master, self._wake_reader, self._wake):
                os.close(fd)
            raise
        finally:
            os.close(slave)
        self._reader = threading.Thread(target=self._read, name="terminal", daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def screen(self) -> list[str]:
        """The visible lines from the top, right-stripped; never the middle of a frame."""
        with self._changed:
            self._changed.wait_for(lambda: not self._emulator.is_mid_frame, timeout=0.2)
            return self._emulator.lines

    @property
    def text(self) -> str:
        return "\n".join(self.screen)

    @property
    def modes(self) -> frozenset[int]:
        """The private modes now on, such as 1003 (mouse) and 1049 (alternate screen)."""
        with self._changed:
            return frozenset(self._emulator.modes)

    @property
    def raw(self) -> bytes:
        """Every byte the program has written so far."""
        with self._changed:
            return bytes(self._raw)

    @property
    def bytes_received(self) -> int:
        with self._changed:
            return len(self._raw)

    @property
    def frames(self) -> list[int]:
        """Bytes of each synchronized frame so far: many for one change are too many."""
        return [len(frame) for frame in _FRAME.findall(self.raw)]

    @property
    def cpu_s(self) -> float:
        """Processor seconds the living program has spent, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def rss_mib(self) -> float:
        """Resident memory of the living program."""
        status = Path(f"/proc/{self.pid}/status").read_text("utf-8")
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(kib) / 1024

    def send(self, text: str) -> None:
        """Type a text as it is."""
        with contextlib.suppress(OSError):  # the program may have gone meanwhile
            rest = text.encode()
            while rest and not self._ended:
                rest = rest[os.write(self._master, rest) :]

    def keys(self, *names: str) -> None:
        """Press keys by name, one after the other: `down`, `enter`, `ctrl+c`, `f1`, `x`."""
        for name in names:
            self.send(sequence(name))
            if name == "escape":
                time.sleep(_AFTER_ESCAPE_S)

    def wait_for(self, wanted: str | Callable[[str], bool], timeout_s: float = 10) -> float:
        """Wait for a text on the screen, or until a condition on the screen's text holds.

        Returns the seconds from the spawn to the arrival of the bytes that made it true. Raises
        AssertionError, with the screen, when it never comes or the program ends without it.
        """
        holds = wanted if callable(wanted) else lambda text: wanted in text
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                if not self._emulator.is_mid_frame and holds("\n".join(self._emulator.lines)):
                    return self._arrived - self.spawned
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    break
                self._changed.wait(left)
        what = "what was waited for" if callable(wanted) else repr(wanted)
        raise AssertionError(self._complaint(f"{what} was not shown within {timeout_s} s"))

    def wait_quiet(self, quiet_s: float = 0.3, timeout_s: float = 10) -> None:
        """Wait until nothing has been written for `quiet_s`; AssertionError when it never is."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not self._ended:
                before = len(self._raw)
                self._changed.wait(quiet_s)
                if len(self._raw) == before:
                    return
                if time.monotonic() > deadline:
                    raise AssertionError(self._complaint(f"it was never quiet for {quiet_s} s"))

    def stall(self) -> None:
        """Stop reading, as a link that died without a word; the kernel's buffer then fills up."""
        with self._changed:
            self._stalled = True

    def unstall(self) -> None:
        with self._changed:
            self._stalled = False
            if not self._closing:
                os.write(self._wake, b".")

    def resize(self, columns: int, lines: int) -> None:
        with self._changed:
            self._emulator.resize(columns, lines)
            self._set_size(columns, lines)

    def hangup(self) -> None:
        """Close the terminal, as a killed emulator or sshd does: the program gets SIGHUP."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
        os.write(self._wake, b".")
        self._reader.join()
        for fd in (self._master, self._wake, self._wake_reader):
            os.close(fd)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, timeout_s: float = 10) -> int:
        """The exit code, negative for a signal; all that was written has then been read."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(self._complaint(f"it still ran after {timeout_s} s")) from None
        if not self._stalled:
            self._reader.join(2)
        return code

    def close(self) -> None:
        """Kill what still runs in this terminal, and reap it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()  # it may not have had the time to become a group of its own
        self._process.wait()
        self.hangup()

    def _read(self) -> None:
        """The reader's thread: everything that touches the master's input happens here."""
        while self._read_once():
            pass
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_once(self) -> bool:
        watched = [self._wake_reader] if self._stalled else [self._wake_reader, self._master]
        ready, _, _ = select.select(watched, [], [])
        if self._wake_reader in ready:
            os.read(self._wake_reader, 4096)
        with self._changed:
            if self._closing:
                return False
            if self._stalled or self._master not in ready:
                return True
            try:
                data = os.read(self._master, 65536)
            except OSError:  # EIO: nobody has the other side open any more
                return False
            self._arrived = time.monotonic()
            self._raw += data
            answers = self._emulator.feed(data)
            self._changed.notify_all()
        if answers:
            os.write(self._master, answers)
        return bool(data)

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _complaint(self, what: str) -> str:
        if self._ended:  # its last words were read, its end follows
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
        code = self._process.poll()
        state = "it runs" if code is None else f"it ended with code {code}"
        with self._changed:
            frame = "\n".join(f"|{line}" for line in self._emulator.lines)
        return f"{what}; {state}; on the screen:\n{frame}"
