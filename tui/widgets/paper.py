"""Text to read: it scrolls where it does not fit, and takes the focus only then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message

from tui.draw.line import Line, fit, line
from tui.widgets.sheet import Sheet


class Paper(Sheet, can_focus=True):
    """Lines of which `put` shows the first; arrows move on where there are more.

    Whoever holds one pages it by PgDn and PgUp from elsewhere: it says so while it has no focus.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_by(-1)", "up", show=False),
        Binding("down,j", "scroll_by(1)", "down", show=False),
        Binding("pageup", "scroll_page(-1)", "page up", show=False),
        Binding("pagedown", "scroll_page(1)", "page down", show=False),
    ]
    DEFAULT_CSS = "Paper { height: 1fr; }"

    @dataclass
    class Resized(Message):
        """What was wrapped for another width is to be put anew."""

        paper: Paper

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._whole: tuple[Line, ...] = ()
        self._at = 0
        self.can_focus = False

    @property
    def whole(self) -> tuple[Line, ...]:
        """All lines, those that are scrolled away too."""
        return self._whole

    def put(self, lines: Sequence[Line]) -> None:
        """Show other lines from their beginning; the same ones stay where they are."""
        before, self._whole = self._whole, tuple(lines)
        if self._whole != before:
            self._at = 0
        if len(before) != len(self._whole) and self.styles.is_auto_height:
            # What fits is known after the layout; until then the beginning is drawn.
            self.show(self._whole)
            self.call_after_refresh(self._show_part)
        else:
            self._show_part()

    def action_scroll_by(self, by: int) -> None:
        self._at += by
        self._show_part()

    def action_scroll_page(self, by: int) -> None:
        self.action_scroll_by(by * max(self.content_size.height - 2, 1))

    def on_mouse_scroll_down(self) -> None:
        self.action_scroll_by(1)

    def on_mouse_scroll_up(self) -> None:
        self.action_scroll_by(-1)

    def on_resize(self) -> None:
        self._show_part()
        self.post_message(self.Resized(self))

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self._show_part()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._whole)

    def _show_part(self) -> None:
        height, width = self.content_size.height, self.content_size.width
        if height <= 0:
            return
        hidden = len(self._whole) - height
        self.can_focus = hidden > 0
        if hidden <= 0:
            self._at = 0
            self.show(self._whole)
            return
        # The last row says that there is more, so one line less is read at a time.
        self._at = max(0, min(self._at, hidden + 1))
        seen = list(self._whole[self._at : self._at + height - 1])
        below = len(self._whole) - self._at - len(seen)
        on, back = ("Up and Down", "Up") if self.has_focus else ("PgDn", "PgUp")
        says = f"{below} more lines: {on} to read on" if below else f"End. {back} goes back"
        seen.append(fit(line((says, "accent" if self.has_focus else "dim")), width))
        self.show(seen)
