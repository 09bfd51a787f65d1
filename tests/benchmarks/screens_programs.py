"""The programs that are measured: tailfin's screens, an empty Textual app, a well-known one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from engine.bundled import bundled
from engine.runs.events import Body, Event, Finished, Stage, Started, encode
from engine.runs.store import RunFolder
from tests.live_run import make_plan, make_step, prepare_folder
from tests.process import ROOT
from tests.terminal import Terminal

# A database client for the terminal, made with the very release of Textual that tailfin has.
WELL_KNOWN = "harlequin"
WELL_KNOWN_VERSION = "2.17.0"


@dataclass(frozen=True, slots=True)
class Program:
    """What to start, and by which texts its first content is known.

    `folder` is the working directory; in it lie `home` and `runs`, its HOME and folder of runs.
    """

    name: str
    command: tuple[str, ...]
    markers: tuple[str, ...]
    folder: Path

    def is_drawn(self, text: str) -> bool:
        """Whether a screen with this text has the first content."""
        return all(marker in text for marker in self.markers)

    def open(self, columns: int = 80, lines: int = 24) -> Terminal:
        """Start it in a pseudo-terminal; nothing has been waited for."""
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        env = {"HOME": str(home), "TAILFIN_RUNS": str(self.folder / "runs")}
        return Terminal(self.command, columns=columns, lines=lines, env=env, cwd=self.folder)


def empty_app(folder: Path) -> Program:
    app = ROOT / "tests" / "benchmarks" / "empty_app.py"
    command = (sys.executable, str(app))
    return Program("empty Textual app", command, ("An empty Textual app.",), folder)


def home(folder: Path, num_runs: int) -> Program:
    """tailfin without arguments, over this many finished runs."""
    ids = [f"20260101-{number:06}-demo" for number in range(num_runs)]
    for run_id in ids:
        shutil.copytree(bundled("samples") / "run", folder / "runs" / run_id)
    markers = tuple(ids[-3:]) or ("A new run",)
    return Program(f"tailfin, home with {num_runs} runs", _tailfin(), markers, folder)


def wizard(folder: Path) -> Program:
    """The wizard with the demo filled in; its first step."""
    return Program("tailfin, wizard", _tailfin("demo"), ("1 box",), folder)


def monitor(run: RunFolder) -> Program:
    """The monitor of a live run that lies in `FOLDER/runs`."""
    folder = run.path.parents[1]
    command = _tailfin("attach", run.id)
    return Program("tailfin, monitor", command, ("tok/s", "/1,000"), folder)


def replay(folder: Path, num_steps: int) -> Program:
    """The end of a recorded run of this many steps."""
    run = RunFolder(folder / "runs" / "20260101-000000-long")
    prepare_folder(run)
    bodies: list[Body] = [
        Started(1, "train", "box", "", 1),
        make_plan(num_steps),
        Stage("train"),
        *(make_step(n, elapsed_s=n, max_steps=num_steps) for n in range(1, num_steps + 1)),
        Finished(step=num_steps, result="adapter", message=f"Trained {num_steps} steps."),
    ]
    events = (Event(seq=n, time=1.7e9 + n, body=body) for n, body in enumerate(bodies))
    run.events.write_bytes(b"".join(map(encode, events)))
    run.worker_log.write_text("the end of a long log\n", encoding="utf-8")
    command = _tailfin("replay", run.id, "--speed", "0")
    markers = (f"{num_steps:,}/{num_steps:,}",)
    return Program(f"tailfin, replay of {num_steps:,} steps", command, markers, folder)


def well_known(folder: Path) -> Program:
    """A well-known Textual program in an environment of its own, made where it is missing.

    It lies in the user's cache folder. Raises OSError where it cannot be installed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "tailfin-benchmarks" / f"{WELL_KNOWN}-{WELL_KNOWN_VERSION}"
    if not (place / ".complete").exists():
        print(f"Installing {WELL_KNOWN} once into {place} (0.3 GB) ...", file=sys.stderr)
        _call(sys.executable, "-m", "venv", "--clear", str(place))
        pip = str(place / "bin" / "pip")
        _call(pip, "install", "--quiet", f"{WELL_KNOWN}=={WELL_KNOWN_VERSION}")
        (place / ".complete").touch()
    name = f"{WELL_KNOWN} {WELL_KNOWN_VERSION}"
    return Program(name, (str(place / "bin" / WELL_KNOWN),), ("Run Query",), folder)


def _tailfin(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tui", *words)


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise OSError(f"{WELL_KNOWN} could not be installed: {said[-1]}")
