"""What is said while the terminal is too small to draw on."""

from __future__ import annotations

from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.draw.line import Line, wrapped
from tui.screens.modal import Modal
from tui.widgets.sheet import Sheet

LEAST = (60, 16)


class SmallScreen(Modal[None]):
    """Stands until the terminal is large enough again; nothing behind it is lost."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "app.leave", "leave")]

    def compose(self) -> ComposeResult:
        yield Sheet(id="small")

    def on_mount(self) -> None:
        self._say()

    def on_screen_suspend(self) -> None:
        """An answer that came meanwhile opened something above it."""
        self._fit_terminal()

    def on_screen_resume(self) -> None:
        """What stood above it was closed, perhaps in a terminal that is large enough by now."""
        self._fit_terminal()

    def _fit_terminal(self) -> None:
        from tui.app import TailfinApp

        self.app.call_later(cast(TailfinApp, self.app).fit_terminal)

    def on_resize(self) -> None:
        self._say()

    def _say(self) -> None:
        width, height = self.app.size
        says = (
            f"This terminal has {width} x {height} cells; tailfin needs {LEAST[0]} x {LEAST[1]}. "
            "Enlarge it to go on, or press q to leave: runs go on without it. "
            "Without screens: tailfin runs list"
        )
        drawn: list[Line] = wrapped(says, max(width, 10))
        self.query_one(Sheet).show(drawn)
