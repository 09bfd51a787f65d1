"""What every screen has: a title line, a body, the line of keys, and help on `?`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widget import Widget

from tui.ask import Asking
from tui.draw.line import Line, beside, line
from tui.screens.sized import Sized
from tui.widgets.keyline import KeyLine
from tui.widgets.sheet import Sheet

if TYPE_CHECKING:
    from tui.app import TailfinApp


class TailfinScreen(Sized, Asking, Screen[None]):
    """A whole-terminal screen. Subclasses give `heading`, `help_lines`, `body` and `draw`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "app.help", "help", key_display="?"),
        Binding("escape", "back", "back", show=False),
    ]
    AUTO_FOCUS: ClassVar[str | None] = None

    @property
    def tailfin(self) -> TailfinApp:
        """The app with its own type."""
        from tui.app import TailfinApp

        return cast(TailfinApp, self.app)

    def compose(self) -> ComposeResult:
        yield Sheet(id="title")
        yield from self.body()
        yield KeyLine()

    def body(self) -> Iterable[Widget]:
        """The widgets between title and keys."""
        return ()

    def heading(self) -> tuple[Line, Line]:
        """Left and right part of the title line."""
        return line(("tailfin", "title")), ()

    def help_lines(self) -> Sequence[str]:
        """What `?` says about this screen, paragraph by paragraph; the keys are added to it."""
        return ()

    def draw(self) -> None:
        """Show what is known now; called again when the room changed or the screen came back."""

    def show_heading(self) -> None:
        """Draw the title line anew."""
        left, right = self.heading()
        title = self.query_one("#title", Sheet)
        width = title.content_size.width
        title.show([beside(left, right, width)] if width else [left])

    # Textual calls these beside a subclass's own of the same name, after them.

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw_whole)

    def on_screen_resume(self) -> None:
        self.call_after_refresh(self._draw_whole)

    async def action_back(self) -> None:
        """Esc: to where this screen was opened from; home by default."""
        self.tailfin.go_home()

    def _draw_whole(self) -> None:
        self.show_heading()
        self.draw()
