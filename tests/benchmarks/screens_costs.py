"""What the screens cost: one function per measurement, each with fresh processes of its own."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import screens_programs as programs
from tests.benchmarks.screens_programs import Program
from tests.live_run import LiveRun
from tests.terminal import Terminal

_START_S = 30.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; `aim` is in words, empty where there is none."""

    what: str
    value: float
    unit: str
    aim: str = ""


@dataclass(frozen=True, slots=True)
class Press:
    """A key, or a text that is typed; `shown` must be on the screen after it."""

    what: str
    key: str = ""
    text: str = ""
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the spawn to the first content, and processor seconds spent until then."""

    wall_s: float
    cpu_s: float


def first_content(contestants: Sequence[Program], rounds: int) -> list[list[Start]]:
    """The starts of all programs at 80x24 by round, each round in turns, a warm-up left out."""
    return [[_start(program) for program in contestants] for _ in range(rounds + 1)][1:]


def first_paint(program: Program, columns: int, lines: int) -> Iterator[Figure]:
    """Bytes, and the frames they make, from the spawn until the screen has come to rest."""
    with opened(program, columns, lines) as terminal:
        size, frames = terminal.bytes_received / 1024, len(terminal.frames)
    yield Figure(f"{program.name}: first paint, {columns}x{lines}", size, "KiB")
    yield Figure(f"{program.name}: first paint, {columns}x{lines}", frames, "frames")


def idle(program: Program, seconds: float) -> Iterator[Figure]:
    """Bytes per second while nobody touches it and nothing happens."""
    with opened(program) as terminal:
        rate, share = _rates(terminal, seconds)
        resident = terminal.rss_mib
    yield Figure(f"{program.name}: idle", rate, "B/s", "0")
    yield Figure(f"{program.name}: idle", share * 100, "% core")
    yield Figure(f"{program.name}: resident memory", resident, "MiB")


def keys(program: Program, presses: Sequence[Press]) -> Iterator[Figure]:
    """Bytes that each key brings, in order, from the first screen on."""
    with opened(program) as terminal:
        for press in presses:
            before = terminal.bytes_received
            terminal.send(press.text)
            terminal.keys(*([press.key] if press.key else []))
            terminal.wait_for(press.shown)
            _rest(terminal)
            size = (terminal.bytes_received - before) / 1024 / max(1, len(press.text))
            yield Figure(f"{program.name}: {press.what}", size, "KiB/key", "15")


def live(columns: int, lines: int, seconds: float) -> Iterator[Figure]:
    """The monitor of a live run with one step and one log line per second."""
    aims = ("3", "5") if (columns, lines) == (80, 24) else ("", "")
    with folder() as place:
        run_folder = place / "runs" / "20260101-000000-live"
        with LiveRun(run_folder, steps_before=200) as live_run:
            program = programs.monitor(live_run.run)
            with opened(program, columns, lines) as terminal:
                first = terminal.bytes_received
                rate, share = _rates(terminal, seconds)
    name = f"{program.name} of a live run, {columns}x{lines}"
    yield Figure(f"{name}: first paint", first / 1024, "KiB")
    yield Figure(f"{name}: drawing", rate / 1024, "KiB/s", aims[0])
    yield Figure(f"{name}: processor", share * 100, "% core", aims[1])


def long_replay(num_steps: int) -> Iterator[Figure]:
    """A recorded run shown at its end: how long that takes and what stays in memory."""
    with folder() as place:
        program = programs.replay(place, num_steps)
        with program.open() as terminal:
            shown_s = terminal.wait_for(program.is_drawn, _START_S)
            _rest(terminal)
            yield Figure(f"{program.name}: drawn after", shown_s, "s")
            yield Figure(f"{program.name}: resident memory", terminal.rss_mib, "MiB")


@contextlib.contextmanager
def opened(program: Program, columns: int = 80, lines: int = 24) -> Iterator[Terminal]:
    """The program with its first content drawn, come to rest."""
    with program.open(columns, lines) as terminal:
        terminal.wait_for(program.is_drawn, _START_S)
        _rest(terminal, quiet_s=0.8)
        yield terminal


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A working directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tailfin-bench-") as name:
        yield Path(name)


def _start(program: Program) -> Start:
    with program.open() as terminal:
        wall_s = terminal.wait_for(program.is_drawn, _START_S)
        return Start(wall_s, terminal.cpu_s)


def _rates(terminal: Terminal, seconds: float) -> tuple[float, float]:
    """Bytes per second, and the share of a core the program took."""
    began, size, cpu_s = time.monotonic(), terminal.bytes_received, terminal.cpu_s
    time.sleep(seconds)
    passed_s = time.monotonic() - began
    return (terminal.bytes_received - size) / passed_s, (terminal.cpu_s - cpu_s) / passed_s


def _rest(terminal: Terminal, quiet_s: float = 0.4) -> None:
    """Until nothing more comes; what never rests (a clock, a blinking cursor) is left at that."""
    with contextlib.suppress(AssertionError):
        terminal.wait_quiet(quiet_s, timeout_s=5)
