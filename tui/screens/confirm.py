"""One question with a yes and a no; no is what Esc and a blind Enter give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.draw.line import Line, line, wrapped
from tui.screens.modal import Modal
from tui.widgets.rows import Row, Rows
from tui.widgets.sheet import Sheet


class ConfirmScreen(Modal[bool]):
    """Asks before something that cannot be taken back; `safe` is the first and focused choice."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes", show=False),
        Binding("n,escape", "answer(False)", "no", show=False),
    ]

    def __init__(self, question: str, says: Sequence[str], *, yes: str, no: str) -> None:
        super().__init__(classes="box small")
        self._question = question
        self._says = says
        self._yes, self._no = yes, no

    def compose(self) -> ComposeResult:
        yield Sheet([line((self._question, "title"))], id="box-title")
        yield Sheet(id="box-text")
        yield Rows(
            [
                Row("no", line(self._no, ("  n", "key"))),
                Row("yes", line(self._yes, ("  y", "key"))),
            ],
            id="choices",
        )

    def on_mount(self) -> None:
        self.query_one(Rows).focus()
        self.call_after_refresh(self._fill)

    def on_rows_opened(self, message: Rows.Opened) -> None:
        self.dismiss(message.key == "yes")

    def action_answer(self, is_yes: bool) -> None:
        self.dismiss(is_yes)

    def _fill(self) -> None:
        text = self.query_one("#box-text", Sheet)
        width = max(text.content_size.width, 20)
        drawn: list[Line] = []
        for paragraph in self._says:
            drawn += wrapped(paragraph, width)
        text.show(drawn)
