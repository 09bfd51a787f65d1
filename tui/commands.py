"""What applies now: the help of a screen and the list of commands, both made from its keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tui.widgets.keyline import key_name

if TYPE_CHECKING:
    from tui.app import TailfinApp


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
    app.push_screen(HelpScreen("Help", paragraphs, keys))


def open_palette(app: TailfinApp) -> None:
    """A list of everything that can be done here, found by typing."""
    from tui.screens.palette import PaletteScreen

    app.push_screen(PaletteScreen(commands(app)))


def commands(app: TailfinApp) -> list[Command]:
    """What works on this screen now, from its active keys, and where else one can go."""
    found: list[Command] = []
    seen: set[str] = set()
    for active in app.screen.active_bindings.values():
        binding = active.binding
        if not active.enabled or binding.action in seen or not binding.description:
            continue
        seen.add(binding.action)
        key = key_name(binding)
        run = partial(app.run_action, binding.action, active.node)
        found.append(Command(binding.description, binding.tooltip, run, key))
    if isinstance(app.screen, Commanding):
        found += app.screen.commands()
    return [
        *found,
        Command("home", "the list of runs", app.go_home),
        Command("new run", "the wizard, from the box to the review", app.open_wizard),
        Command("demo", "the wizard with the embedded model and data", app.open_demo),
        Command("dark or light", "change the theme", app.action_theme),
        Command("ASCII or blocks", "how charts and bars are drawn", app.action_ascii),
    ]
