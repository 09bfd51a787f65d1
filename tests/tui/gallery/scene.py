"""Scenes: named states of the app made of fixed inputs, for pictures and for proofs."""

from __future__ import annotations

import asyncio
import importlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest
from textual import events
from textual.pilot import Pilot
from textual.screen import Screen

from engine.errors import TailfinError
from tests.tui.pilots import Act, screen_text, until
from tests.tui.scripted_simulation import ScriptedWorker
from tui.app import TailfinApp
from tui.options import Opening, Options

# 2026-11-24 15:20 UTC
NOW = 1_795_533_600.0
# Where the runs of every scene seem to lie: the volume of a rented box.
ROOT = Path("/workspace/tailfin/runs")
SIZES = ((80, 24), (120, 40))
# Threads that wait for work and never end by themselves: asyncio's own, a chat session's.
_LASTING = ("chat", "asyncio_", "ThreadPoolExecutor", "MainThread", "pytest_timeout")
_PATIENCE_S = 20.0
# Before a text that is pasted rather than typed.
PASTE = "paste:"
_USUAL = Options()


@dataclass(frozen=True, slots=True)
class Scene:
    """How a state is reached: the first screen, what stands on it then, and keys from there.

    `steps` are (keys, what stands there after them); empty keys only wait, an empty text waits for
    nothing but rest.
    """

    opens: Callable[[], Screen[None]]
    ready: str
    steps: Sequence[tuple[str, str]] = ()
    options: Options = _USUAL
    now: float = NOW
    has_toasts: bool = False


class Stage:
    """What a scene is set up with: patches that are taken back, and answers that never come."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self._curtain = threading.Event()
        self._waiting: set[threading.Thread] = set()

    def set(self, name: str, value: object) -> None:
        """Put something else in the place of `module.name`."""
        self.patch.setattr(name, value)

    def wait(self) -> NoReturn:
        """Block the calling thread until the scene is over; then there is nothing to say."""
        self._waiting.add(threading.current_thread())
        self._curtain.wait()
        raise TailfinError("The scene is over.", "")

    def end(self) -> None:
        """Let go whoever waits."""
        self._curtain.set()

    def is_busy(self, before: frozenset[threading.Thread]) -> bool:
        """Whether a thread begun since then is still at work on an answer."""
        begun = set(threading.enumerate()) - before - self._waiting
        return any(not thread.name.startswith(_LASTING) for thread in begun)


Maker = Callable[[Stage], Scene]
# Modules of this folder that hold scenes, in the order of a journey.
_MODULES = (
    "home",
    "wizard_box",
    "wizard_model",
    "wizard_data",
    "wizard_method",
    "wizard_review",
    "watched",
    "ended",
    "delivered",
    "overlays",
)
_SCENES: dict[str, Maker] = {}
_SIZES: dict[str, tuple[tuple[int, int], ...]] = {}


def scene(make: Maker) -> Maker:
    """Register a scene under its function's name: home_empty is home-empty."""
    return sized(*SIZES)(make)


def sized(*sizes: tuple[int, int]) -> Callable[[Maker], Maker]:
    """The same for a scene that is shown at other sizes than the usual two."""

    def register(make: Maker) -> Maker:
        name = make.__name__.replace("_", "-")
        assert name not in _SCENES, name
        _SCENES[name], _SIZES[name] = make, sizes
        return make

    return register


def all_scenes() -> dict[str, Maker]:
    """Every scene by name."""
    for module in _MODULES:
        importlib.import_module(f"tests.tui.gallery.{module}")
    return dict(_SCENES)


def sizes(name: str) -> tuple[tuple[int, int], ...]:
    """Columns and lines of the terminals a scene is shown in."""
    return _SIZES[name]


def perform(name: str, size: tuple[int, int], act: Act | None = None) -> TailfinApp:
    """Bring the app into a scene in a terminal of this size, let `act` use it, and close it."""
    with _stage() as stage:
        before = frozenset(threading.enumerate())
        made = all_scenes()[name](stage)
        stage.set("tui.places.first", lambda opening: made.opens())
        app = TailfinApp(Opening(), made.options, clock=lambda: made.now)

        async def play() -> None:
            async with app.run_test(size=size, notifications=made.has_toasts) as pilot:
                try:
                    for keys, text in [("", made.ready), *made.steps]:
                        await _type(app, pilot, keys)
                        await until(app, pilot, partial(_stands, app, text))
                        await settle(app, pilot, lambda: stage.is_busy(before))
                    if act is not None:
                        await act(app, pilot)
                finally:
                    stage.end()

        asyncio.run(play())
        return app


async def _type(app: TailfinApp, pilot: Pilot[list[str]], keys: str) -> None:
    if keys.startswith(PASTE):
        assert app.focused is not None
        app.focused.post_message(events.Paste(keys.removeprefix(PASTE)))
    else:
        await pilot.press(*keys.split())


def _stands(app: TailfinApp, text: str) -> bool:
    """Whether a text is on the screen, wherever its lines were broken."""
    return " ".join(text.split()) in " ".join(screen_text(app).split())


async def settle(app: TailfinApp, pilot: Pilot[list[str]], is_busy: Callable[[], bool]) -> None:
    """Wait until nobody is at work and the screen stays as it is."""
    seen, deadline = "", time.monotonic() + _PATIENCE_S
    while True:
        await pilot.pause()
        now = screen_text(app)
        if now == seen and not is_busy():
            return
        assert time.monotonic() < deadline, f"the screen never came to rest:\n{now}"
        seen = now


def _keep_harmless(stage: Stage) -> None:
    """Whatever key is pressed in a scene, it starts no process and writes into no run."""
    from tests.tui.gallery.boxes import GOOD, RTX_4090, be_on

    be_on(stage, GOOD, RTX_4090)
    stage.set("engine.memory.simulator.start_worker", ScriptedWorker)
    # The review takes no Enter while it cannot have been read yet; here nobody reads.
    stage.set("tui.screens.wizard.READ_S", 0.0)
    stage.set("engine.runs.acts.request", lambda run, name: "id-1")
    # The folders of runs are made up, so no run would be found by its id.
    stage.set("tui.app.TailfinApp.name_of", lambda app, run: run.id)
    for name in (
        "engine.evaluate.start.start_evaluation",
        "engine.export.start.start_export",
        "engine.runs.resume.resume_training",
        "tui.panes.review._begin_run",
        "tui.screens.chat.start_session",
    ):
        stage.set(name, _refuse)


def _refuse(*said: object, **how: object) -> NoReturn:
    raise TailfinError("Nothing is started in a scene.", "Look at it.")


@contextmanager
def _stage() -> Iterator[Stage]:
    """An empty home folder in UTC, and nothing of this machine's own settings."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        home = Path(folder).resolve()
        patch.chdir(home)
        for name, value in (("HOME", str(home)), ("TZ", "UTC"), ("LC_ALL", "C.UTF-8")):
            patch.setenv(name, value)
        patch.setenv("TAILFIN_RUNS", str(ROOT))
        for name in ("NO_COLOR", "TMUX", "TAILFIN_UI", "XDG_CACHE_HOME"):
            patch.delenv(name, raising=False)
        for name in [n for n in os.environ if n.startswith(("HF_", "CUDA_"))]:
            patch.delenv(name)
        patch.setenv("HF_HUB_OFFLINE", "1")
        time.tzset()
        stage = Stage(patch)
        _keep_harmless(stage)
        try:
            yield stage
        finally:
            stage.end()
    time.tzset()
