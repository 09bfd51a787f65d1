"""Everything that can be done here, found by typing a few letters of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from tui.commands import Command
from tui.draw.line import clip, line
from tui.screens.modal import Modal
from tui.widgets.line_input import LineInput
from tui.widgets.rows import Row, Rows
from tui.widgets.sheet import Sheet


class PaletteScreen(Modal[None]):
    """Type to narrow, arrows to choose, Enter to do it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "close", priority=True),
        Binding("up", "move(-1)", "up", priority=True, show=False),
        Binding("down", "move(1)", "down", priority=True, show=False),
    ]

    def __init__(self, commands: Sequence[Command]) -> None:
        super().__init__(classes="box")
        self._commands = {str(number): command for number, command in enumerate(commands)}

    def compose(self) -> ComposeResult:
        yield Sheet([line(("Commands", "title"))], id="box-title")
        field = LineInput(placeholder="type to find", id="find", select_on_focus=False)
        field.cursor_blink = False
        yield field
        yield Rows(id="commands", empty=[line(("Nothing here is called that.", "dim"))])
        yield Sheet([line(("Enter", "key"), " do it  ", ("Esc", "key"), " close")], id="box-keys")

    def on_mount(self) -> None:
        self._fill("")
        self.query_one(Input).focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        self._fill(message.value)

    def on_input_submitted(self) -> None:
        self._do(self.query_one(Rows).key)

    def on_rows_opened(self, message: Rows.Opened) -> None:
        self._do(message.key)

    def action_move(self, by: int) -> None:
        self.query_one(Rows).action_move(by)

    def _fill(self, typed: str) -> None:
        words = typed.casefold().split()
        room = max(self.size.width - 36, 10)
        rows = [
            Row(key, line(f"{c.name:<24}", (f"{c.key:<10}", "key"), (clip(c.help, room), "dim")))
            for key, c in self._commands.items()
            if all(word in f"{c.name} {c.help}".casefold() for word in words)
        ]
        listed = self.query_one(Rows)
        listed.fill(rows, key=rows[0].key if rows else None)
        listed.can_focus = bool(rows)

    def _do(self, key: str) -> None:
        command = self._commands.get(key)
        self.dismiss()
        if command is not None:
            self.app.call_later(command.run)
