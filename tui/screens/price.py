"""Asks once what an hour of this box costs, so that time can be told as money."""

from __future__ import annotations

import os
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from engine.cost.price import ENVIRONMENT, Price, forget_price, parse_price, read_price, save_price
from engine.errors import TailfinError
from tui.draw.line import line, wrapped
from tui.screens.modal import Modal
from tui.widgets.line_input import LineInput
from tui.widgets.sheet import Sheet

_SAYS = (
    "With the price of an hour, the review says what the run will cost, the monitor what it has "
    "cost and what finishing costs, and the result what the box burned since the end. "
    "It is kept on this box for all runs; an empty field forgets it."
)


class PriceScreen(Modal[bool]):
    """Dismissed with True where a price was kept or forgotten, else with False."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", "back", priority=True, show=False),
    ]

    def __init__(self) -> None:
        super().__init__(classes="box small")

    def compose(self) -> ComposeResult:
        yield Sheet([line(("Price of an hour", "title"))], id="box-title")
        yield Sheet(id="box-text")
        yield LineInput(placeholder="such as 1.89, $1.89 or 0.79 EUR", id="price")
        yield Sheet(id="note")
        yield Sheet([line(("Enter", "key"), " keep  ", ("Esc", "key"), " back")], id="box-keys")

    def on_mount(self) -> None:
        field = self.query_one("#price", LineInput)
        field.cursor_blink = False
        try:
            held = read_price()
        except TailfinError as error:
            self._note(error)
        else:
            field.value = held.typed if held else ""
        field.focus()
        self.call_after_refresh(self._fill)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        try:
            self._keep(message.value.strip())
        except TailfinError as error:
            self._note(error)
        else:
            self.dismiss(True)

    def _keep(self, typed: str) -> None:
        if os.environ.get(ENVIRONMENT, "").strip():
            raise TailfinError(
                f"{ENVIRONMENT} is set in this shell and wins over what is typed here.",
                f"Change it there, or: unset {ENVIRONMENT}",
            )
        if not typed:
            forget_price()
            return
        amount, _, word = typed.partition(" ")
        price: Price = parse_price(amount, word) if word.strip() else parse_price(amount)
        save_price(price)

    def _fill(self) -> None:
        text = self.query_one("#box-text", Sheet)
        text.show(wrapped(_SAYS, max(text.content_size.width, 20)))

    def _note(self, error: TailfinError) -> None:
        note = self.query_one("#note", Sheet)
        width = max(note.content_size.width, 20)
        note.show([*wrapped(error.message, width, "fail"), *wrapped(error.hint, width)])
