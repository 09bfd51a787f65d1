"""What applies now: the help of a screen and the list of commands, both made from its keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from textual.binding import Binding

from tui.widgets.keyline import key_name

if TYPE_CHECKING:
    from tui.app import TailfinApp

_MOVES = frozenset({"move", "page", "edge", "scroll_by", "scroll_page", "nothing", "interrupt"})


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that can be done here and now."""

    name: str
    help: str
    run: Callable[[], object]
    key: str = ""


@runtime_checkable
class Helpful(Protocol):
    """A widget or screen that says something about what stands under the cursor."""

    def help_lines(self) -> list[str]: ...


@runtime_checkable
class Commanding(Protocol):
    """A screen that offers more than its keys."""

    def commands(self) -> list[Command]: ...


def open_help(app: TailfinApp) -> None:
    """Help for the focused field first, then the screen, then every key that works now."""
    from tui.screens.help import HelpScreen

    paragraphs: list[str] = []
    focused = app.focused
    while focused is not None and focused is not app.screen:
        if isinstance(focused, Helpful):
            paragraphs += focused.help_lines()
        parent = focused.parent
        focused = parent if hasattr(parent, "has_focus") else None  # type: ignore[assignment]
    if isinstance(app.screen, Helpful):
        paragraphs += app.screen.help_lines()
    keys = [(command.key, command.name) for command in commands(app) if command.key]
    app.push_screen(HelpScreen("Help", paragraphs, [*keys, *_moving_keys(app)]))


def open_palette(app: TailfinApp) -> None:
    """A list of everything that can be done here, found by typing."""
    from tui.screens.palette import PaletteScreen

    app.push_screen(PaletteScreen(commands(app)))


def commands(app: TailfinApp) -> list[Command]:
    """What works on this screen now, from its active keys, and where else one can go."""
    everywhere = {
        command.name: command
        for command in (
            Command("home", "the list of runs", app.go_home),
            Command("new run", "the wizard, from the box to the review", app.open_wizard),
            Command("demo", "the wizard, model and data filled in", app.open_demo),
            Command("dark or light", "change the theme", app.action_theme),
            Command("ASCII or blocks", "how charts and bars are drawn", app.action_ascii),
        )
    }
    found: list[Command] = []
    seen: set[str] = set()
    for active in app.screen.active_bindings.values():
        binding = active.binding
        if not active.enabled or binding.action in seen or not _does_something(binding):
            continue
        seen.add(binding.action)
        name = binding.description
        # What has a key here is not listed a second time without it.
        known = everywhere.pop(name, None)
        told = binding.tooltip or (known.help if known else "")
        run = partial(app.run_action, binding.action, active.node)
        found.append(Command(name, told, run, key_name(binding)))
    if isinstance(app.screen, Commanding):
        found += app.screen.commands()
    return [*found, *everywhere.values()]


def _does_something(binding: Binding) -> bool:
    """Whether it is more than moving about, editing a line, or a second way to do the same."""
    action = binding.action.rpartition(".")[2].partition("(")[0]
    if not binding.description or action in _MOVES:
        return False
    return (binding.action, binding.description) not in _own_to_textual()


def _moving_keys(app: TailfinApp) -> list[tuple[str, str]]:
    """The keys that every list and text has, where one has the focus."""
    actions = {active.binding.action for active in app.screen.active_bindings.values()}
    moves = {"move(-1)", "scroll_by(-1)"} & actions
    keys = [("Up Down", "move"), ("PgUp PgDn", "by a page"), ("Tab", "next field")]
    return keys if moves else keys[2:]


@cache
def _own_to_textual() -> frozenset[tuple[str, str]]:
    """What textual binds by itself: thirty keys to edit a line, and its own way to quit."""
    from textual.app import App
    from textual.screen import Screen
    from textual.widgets import Input

    bound = [*App.BINDINGS, *Screen.BINDINGS, *Input.BINDINGS]
    return frozenset((b.action, b.description) for b in bound if isinstance(b, Binding))
