"""What every wizard pane has: a draft it draws and changes, and a word on whether one can go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from tui.ask import Asking
from tui.draft import Draft
from tui.widgets.paper import Paper

if TYPE_CHECKING:
    from tui.app import TailfinApp


class Pane(Asking, Vertical):
    """One step of the wizard. It changes nothing but its draft; the wizard keeps the newest one.

    A subclass composes its widgets, draws `self.draft`, calls `change` for every choice and
    `announce` when something else about it changed (a check ended). It never asks what a default
    can answer: where `stop` is empty, Enter on the bar below goes on.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pagedown", "page(1)", "read on", show=False),
        Binding("pageup", "page(-1)", "read back", show=False),
    ]
    DEFAULT_CSS = "Pane { height: 1fr; }"
    FORWARD: ClassVar[str] = "Continue"

    @dataclass
    class Changed(Message):
        """The draft or what can be done with it changed."""

        pane: Pane
        draft: Draft

    @dataclass
    class Onward(Message):
        """The pane wants to go on by itself, as after Enter in its only empty field."""

        pane: Pane

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self.draft = draft

    @property
    def tailfin(self) -> TailfinApp:
        from tui.app import TailfinApp

        return cast(TailfinApp, self.app)

    @property
    def is_there(self) -> bool:
        """Whether it can be drawn: once it is being left, its parts go before it does."""
        return self.is_mounted and self.size.width > 0 and not self.is_being_left

    @property
    def stop(self) -> str:
        """What is in the way of going on, as a short sentence; empty for nothing."""
        return ""

    @property
    def forward(self) -> str:
        """What Enter on the bar does."""
        return self.FORWARD

    def first(self) -> Widget | None:
        """The field to stand in while something is in the way; None leaves it to the bar."""
        return None

    def proceed(self) -> bool:
        """Called when the person goes on; False when the pane sees to it itself."""
        return True

    def help_lines(self) -> list[str]:
        """What `?` says about this step."""
        return []

    def action_page(self, by: int) -> None:
        """Read on in what is written here, from the bar and from the fields."""
        for paper in self.query(Paper):
            paper.action_scroll_page(by)

    def change(self, draft: Draft) -> None:
        """Take a new draft and tell the wizard."""
        self.draft = draft
        self.announce()

    def announce(self) -> None:
        """Tell the wizard that `stop`, `forward` or the draft may be different now."""
        self.post_message(self.Changed(self, self.draft))
