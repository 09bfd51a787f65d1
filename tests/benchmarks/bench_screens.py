"""What the screens cost in a terminal, beside an empty Textual app and a well-known program.

Everything runs in pseudo-terminals that answer like a real one. The programs of the first table
take turns, so that whatever the machine does meanwhile hits all alike. Nothing is asserted.

    python -m tests.benchmarks.bench_screens [--rounds 7] [--seconds 10] [--only first,idle,...]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from engine import __version__
from tests.benchmarks import screens_costs as costs
from tests.benchmarks import screens_programs as programs
from tests.benchmarks.screens_costs import Figure, Press, folder

PARTS = ("first", "paint", "idle", "keys", "live", "replay")
# Big enough for a long line of log and three columns of panels.
_LARGE = (200, 50)
_REPLAY_STEPS = 20_000
_HOME_KEYS = (
    Press("down", "down"),
    Press("up", "up"),
    Press("palette", ":"),
    Press("typing in it", text="dem", shown="dem"),
    Press("back", "escape"),
    Press("help", "?"),
    Press("back", "escape"),
    Press("charts of a run", "m", shown="tok/s"),
    Press("home again", "escape", shown="New run"),
)
_WIZARD_KEYS = (
    Press("tab", "tab"),
    Press("down", "down"),
    Press("shift+tab", "shift+tab"),
    Press("enter (model)", "enter"),
    Press("shift+tab to its list", "shift+tab"),
    Press("shift+tab to its field", "shift+tab"),
    Press("typing", text="abc", shown="abc"),
    Press("backspace", "backspace"),
    Press("back", "escape"),
)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=10.0, help="of idle and live counting")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {','.join(PARTS)}")
    args = parser.parse_args(argv)
    chosen = [part for part in PARTS if part in args.only.split(",")]
    print(_machine())
    if "first" in chosen:
        _print_first(args.rounds)
    with folder() as none, folder() as ten, folder() as place:
        home, wizard = programs.home(none, 0), programs.wizard(place)
        busy = programs.home(ten, 10)
        measured: dict[str, list[Iterator[Figure]]] = {
            "paint": [
                costs.first_paint(program, *size)
                for size in ((80, 24), _LARGE)
                for program in (programs.empty_app(place), home, busy, wizard)
            ],
            "idle": [costs.idle(program, args.seconds) for program in (home, busy, wizard)],
            "keys": [costs.keys(busy, _HOME_KEYS), costs.keys(wizard, _WIZARD_KEYS)],
            "live": [costs.live(*size, 2 * args.seconds) for size in ((80, 24), _LARGE)],
            "replay": [costs.long_replay(_REPLAY_STEPS)],
        }
        for part in chosen:
            for figures in measured.get(part, ()):
                _print_figures(figures)
    return 0


def _print_first(rounds: int) -> None:
    with folder() as here, folder() as none, folder() as ten, folder() as other:
        contestants = [
            programs.empty_app(here),
            programs.home(none, 0),
            programs.home(ten, 10),
        ]
        try:
            contestants.append(programs.well_known(other))
        except OSError as error:
            print(f"{programs.WELL_KNOWN} is left out: {error}")
        turns = costs.first_content(contestants, rounds)
    print(f"First content, seconds from the spawn, 80x24, {rounds} rounds in turns (aim: 1.3)")
    print(f"  {'':<28}{'median':>8}{'min':>8}{'max':>8}{'x empty':>9}{'cpu':>8}{'x empty':>9}")
    for at, program in enumerate(contestants):
        wall = [turn[at].wall_s for turn in turns]
        cpu = [turn[at].cpu_s for turn in turns]
        # Ratios within a round: whatever slowed the machine down then slowed both.
        ratio = median(turn[at].wall_s / turn[0].wall_s for turn in turns)
        cpu_ratio = median(turn[at].cpu_s / turn[0].cpu_s for turn in turns)
        print(
            f"  {program.name:<28}{median(wall):>8.3f}{min(wall):>8.3f}{max(wall):>8.3f}"
            f"{ratio:>9.2f}{median(cpu):>8.3f}{cpu_ratio:>9.2f}"
        )


def _print_figures(figures: Iterator[Figure]) -> None:
    """Each as it comes; the first failure says in words why the rest is left out."""
    try:
        for figure in figures:
            aim = f"  (aim: {figure.aim})" if figure.aim else ""
            number = f"{figure.value:>10.2f} {figure.unit:<8}"
            print(f"  {figure.what:<58}{number}{aim}".rstrip(), flush=True)
    except (AssertionError, OSError) as error:
        first, _, screen = str(error).partition("\n")
        print(f"  not measured: {first}", flush=True)
        print(screen, file=sys.stderr)


def _machine() -> str:
    names = ("textual", "rich", "pyte")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    load = f"load {os.getloadavg()[0]:.1f} at the start"
    cores = f"{len(os.sched_getaffinity(0))} cores"
    return (
        f"{time.strftime('%Y-%m-%d')} {_processor()}, {cores}, {load}, Linux {platform.release()}\n"
        f"tailfin {__version__}, Python {platform.python_version()}, {versions}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
