"""The app: opens screens, holds what they share, and leaves the terminal as it found it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import events
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import ModalScreen, Screen

from engine.runs.store import RunFolder, name_of, possible_roots, runs_root
from tui import places
from tui.draw.line import drawable
from tui.key_turns import KeyTurns
from tui.look import DARK, LIGHT
from tui.options import Opening, Options
from tui.screens.base import TailfinScreen
from tui.screens.small import LEAST, SmallScreen
from tui.settle import settle

if TYPE_CHECKING:
    from textual.timer import Timer

    from tui.runs_view import RunsView, RunsWatcher
    from tui.start import Start

# So long an app that a signal ended may take to restore its terminal.
_LAST_RESORT_S = 5.0
# When the size is asked for once more, after it changed.
_SIZE_CHECK_S = 0.2


class TailfinApp(App[list[str]]):
    """Returns the lines to print into the scrollback once the screens are gone."""

    CSS_PATH = "app.tcss"
    TITLE = "tailfin"
    COMMANDS: ClassVar = set()
    ENABLE_COMMAND_PALETTE = False  # our own opens on `:` and is imported only then
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - declared by textual
        (0, "-narrow"),
        (100, "-wide"),
        (150, "-very-wide"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (34, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("colon,ctrl+k", "palette", "commands", key_display=":"),
        Binding("q,f10,ctrl+q", "leave", "leave", key_display="q"),
        Binding("ctrl+c", "interrupt", "leave", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "to the shell", show=False),
        Binding("ctrl+l", "repaint", "draw anew", show=False),
    ]

    def __init__(
        self,
        opening: Opening | None = None,
        options: Options | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.opening = opening or Opening()
        self.options = options or Options()
        self.clock = clock
        # Asked before there is a loop to hold up: a network volume may be dead.
        self.runs_root = runs_root(self.options.runs)
        self._roots = frozenset(possible_roots())
        self.last_words: list[str] = []
        self.starting: Start | None = None
        self._runs: RunsWatcher | None = None
        self._turns = KeyTurns(self)
        self._size_check: Timer | None = None
        # Cancelled by whoever ran the app, once it has ended by itself.
        self.last_resort: threading.Timer | None = None
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        chosen = LIGHT if self.options.theme == "light" else DARK
        # Set without its watcher, which would parse every style sheet a second time.
        self.set_reactive(App.theme, chosen.name)
        self.stylesheet.set_variables(self.get_css_variables())

    def name_of(self, run: RunFolder) -> str:
        """The word that names a run on a command line, quoted for a shell; asks no disk."""
        return name_of(run, self._roots)

    @property
    def ascii_only(self) -> bool:
        """Whether charts and bars keep to ASCII."""
        return self.options.ascii_only

    async def on_event(self, event: events.Event) -> None:
        if not self._turns.holds_back(event):
            await super().on_event(event)

    @property
    def seen_runs(self) -> RunsView | None:
        """The list of runs as it was read last; None before the first reading."""
        return self._runs.seen if self._runs else None

    def runs_watcher(self) -> RunsWatcher:
        """The one that reads the runs for every home; imports it, so call this in a thread."""
        if self._runs is None:
            from tui.runs_view import RunsWatcher

            self._runs = RunsWatcher(self.options.runs)
        return self._runs

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            # Textual leaves both to Python, which dies with mouse and alternate screen still on.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self._leave_now)

    def get_default_screen(self) -> Screen[None]:
        """The screen the command line named, without an empty one painted before it."""
        screen = places.first(self.opening)
        # textual 8.2.8 gives pushed screens a callback and takes it from switched ones: without
        # one, the first screen could never be switched.
        screen._push_result_callback(self, None)
        return screen

    def go_home(self) -> None:
        """The list of runs."""
        self._show(places.home())

    def open_wizard(self) -> None:
        """A new run."""
        self._show(places.wizard())

    def open_demo(self) -> None:
        """The wizard with the embedded model and data filled in."""
        self._show(places.demo())

    def open_run(self, run: RunFolder) -> None:
        """A run in the monitor, at work or ended."""
        self._show(places.monitor(run))

    def replay(self, run: RunFolder, speed: float = 20.0) -> None:
        """A recorded run in the monitor."""
        self._show(places.replay(run, speed))

    def open_result(self, run: RunFolder, *, has_chatted: bool = False) -> None:
        """What a finished or stopped run delivered."""
        self._show(places.result(run, has_chatted=has_chatted))

    def open_comparison(self, run: RunFolder) -> None:
        """Base against tuned, as measured last."""
        self._show(places.comparison(run))

    def open_failure(self, run: RunFolder) -> None:
        """Why a run ended and what to do."""
        self._show(places.failure(run))

    def open_chat(self, run: RunFolder) -> None:
        """Talk to the base and the tuned model."""
        self._show(places.chat(run))

    def say(
        self, text: str, severity: Literal["information", "warning", "error"] = "information"
    ) -> None:
        """A short word over the screen for a few seconds; never parsed as markup."""
        said = "\n".join(map(drawable, text.split("\n")))
        self.notify(said, severity=severity, timeout=6, markup=False)

    def leave(self) -> None:
        """End the app; what runs goes on."""
        self.exit(self.last_words)

    def _leave_now(self) -> None:
        """A signal's way out: where the terminal is gone, its last writes may hang for good."""
        self.leave()
        self.last_resort = threading.Timer(_LAST_RESORT_S, os.kill, (os.getpid(), signal.SIGKILL))
        self.last_resort.daemon = True
        self.last_resort.start()

    def action_leave(self) -> None:
        self.leave()

    def action_interrupt(self) -> None:
        """Ctrl-C: copies a selection, cancels what the screen is busy with, else leaves."""
        if self.screen.get_selected_text():
            self.screen.action_copy_text()
            return
        cancel = getattr(self.screen, "cancel", None)
        if cancel is None or not cancel():
            self.leave()

    def action_help(self) -> None:
        from tui.commands import open_help

        open_help(self)

    def action_palette(self) -> None:
        from tui.commands import open_palette

        open_palette(self)

    def action_repaint(self) -> None:
        self.screen.refresh(layout=True)

    def action_theme(self) -> None:
        """Dark to light and back."""
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name

    def action_ascii(self) -> None:
        """Charts and bars in ASCII, or back."""
        self.options = replace(self.options, ascii_only=not self.options.ascii_only)
        self.screen.refresh(layout=True, recompose=False)
        self.screen.post_message(events.ScreenResume())

    async def action_quit(self) -> None:
        self.leave()

    def on_resize(self, event: events.Resize) -> None:
        self.fit_terminal(event.size)  # textual's own handler, which keeps it, comes after this one
        if self._size_check is None and not self.is_headless:
            self._size_check = self.set_timer(_SIZE_CHECK_S, self._check_size)

    def _check_size(self) -> None:
        """Textual reads the size in a signal handler, which the next signal interrupts: while a
        window is dragged, the last event may then tell an older size than the one before it."""
        self._size_check = None
        size = Size(*shutil.get_terminal_size())  # asked as textual asks
        if size != self.size:
            self.post_message(events.Resize(size, size))

    def fit_terminal(self, size: Size | None = None) -> None:
        """What says that the terminal is too small stands above everything, just while it is."""
        if not self.screen_stack:  # the app has ended in the meantime
            return
        width, height = size or self.size
        is_small = width < LEAST[0] or height < LEAST[1]
        if is_small and not isinstance(self.screen, SmallScreen):
            self.push_screen(SmallScreen())
        elif not is_small and isinstance(self.screen, SmallScreen):
            self.pop_screen()

    def pop_screen(self) -> AwaitComplete:
        settle(self)
        return super().pop_screen()

    def _fatal_error(self) -> None:
        """In place of textual's traceback with local variables: a sentence, the rest in a file."""
        from rich.text import Text

        from tui.mishap import record

        if not self._exit_renderables:  # what fails after it is most often its echo
            self._exit_renderables.append(Text(record(self._exception or RuntimeError("unknown"))))
        self._close_messages_no_wait()

    def _show(self, screen: TailfinScreen) -> None:
        """Replace the screen that is shown; modal ones above it go with it."""
        settle(self)
        while isinstance(self.screen, ModalScreen):
            self.pop_screen()
        self.switch_screen(screen)
        self.fit_terminal()
