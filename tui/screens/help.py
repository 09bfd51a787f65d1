"""Help: what this screen is, what the field under the cursor does, and every key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.draw.line import BLANK, Line, line, wrapped
from tui.screens.modal import Modal
from tui.widgets.rows import Row, Rows
from tui.widgets.sheet import Sheet


class HelpScreen(Modal[None]):
    """Shows paragraphs and keys over the screen they belong to."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark,f1", "dismiss", "close", priority=True)
    ]

    def __init__(
        self, title: str, paragraphs: Sequence[str], keys: Sequence[tuple[str, str]]
    ) -> None:
        super().__init__(classes="box")
        self._title = title
        self._paragraphs = paragraphs
        self._keys = keys

    def compose(self) -> ComposeResult:
        yield Sheet([line((self._title, "title"))], id="box-title")
        yield Rows(id="help")
        yield Sheet([line(("Esc", "key"), " close")], id="box-keys")

    def on_mount(self) -> None:
        self.query_one(Rows).focus()
        self.call_after_refresh(self._fill)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        rows = self.query_one(Rows)
        width = max(rows.content_size.width - 2, 20)
        drawn: list[Line] = []
        for paragraph in self._paragraphs:
            drawn += [*wrapped(paragraph, width), BLANK]
        if self._keys:
            drawn.append(line(("Keys", "title")))
            drawn += [line((f"{key:<12}", "key"), f" {does}") for key, does in self._keys]
        rows.fill([Row(str(n), text) for n, text in enumerate(drawn)])
