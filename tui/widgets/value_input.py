"""The one line in which a value is typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from tui.widgets.line_input import LineInput


class ValueInput(LineInput):
    """The one line in which a setting is edited; Esc takes the edit back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "keep it", key_display="Enter"),
        Binding("escape", "cancel", "as it was", priority=True, key_display="Esc"),
        Binding("up", "leave(-1)", "up", show=False),
        Binding("down", "leave(1)", "down", show=False),
    ]

    class Cancelled(Message):
        """What was typed is to go."""

    @dataclass
    class Left(Message):
        """The person went on to the row above or below."""

        by: int

    def action_cancel(self) -> None:
        self.post_message(self.Cancelled())

    def action_leave(self, by: int) -> None:
        self.post_message(self.Left(by))
