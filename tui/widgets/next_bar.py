"""The way forward: one focusable line that says what Enter does, or why it cannot be done yet."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from tui.draw.line import Line, line
from tui.widgets.sheet import Sheet

# Cells of a label that stands whole in the line of keys.
_SHORT = 16


class NextBar(Sheet, can_focus=True):
    """Enter on it posts `Pressed`; what stands in the way of it is shown beside it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "press", "continue", key_display="Enter"),
        Binding("up", "app.focus_previous", "into the fields", show=False),
    ]
    DEFAULT_CSS = "NextBar { height: 1; padding: 0 1; }"

    class Pressed(Message):
        """The person wants to go on, whatever is in the way."""

    def __init__(self, label: str = "Continue", *, id: str = "next") -> None:
        super().__init__(id=id)
        self._label = label
        self._stop = ""
        self._draw()

    @property
    def stop(self) -> str:
        return self._stop

    @property
    def hints(self) -> dict[str, str]:
        """What the line of keys says of Enter: the label, or its first word where it is long."""
        if self._stop:
            return {"press": "not yet"}
        label = self._label if len(self._label) <= _SHORT else self._label.partition(" ")[0]
        return {"press": label[:1].lower() + label[1:]}

    def say(self, label: str, stop: str = "") -> None:
        """What Enter will do, and what is in the way of it."""
        before = self.hints
        self._label, self._stop = label, stop
        self._draw()
        if self.hints != before and self.is_attached:
            self.refresh_bindings()

    def action_press(self) -> None:
        self.post_message(self.Pressed())

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.action_press()

    def watch_has_focus(self, has_focus: bool) -> None:
        # Not on_focus: textual calls that one before has_focus is set.
        super().watch_has_focus(has_focus)
        self._draw()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        if self.has_focus and not self._stop:
            drawn = tuple((text, "cursor") for text, _ in self.drawn(y))
            return self.strip(drawn)
        return super().render_line(y)

    def _draw(self) -> None:
        mark = ">" if self.has_focus else " "
        drawn: Line = line((f"{mark} ", "accent"), (f"[ {self._label} ]", "strong"))
        if self._stop:
            drawn = line((f"{mark} ", "accent"), (f"[ {self._label} ]", "dim"), f"  {self._stop}")
        self.show([drawn])
