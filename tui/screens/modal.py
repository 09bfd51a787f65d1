"""A box over a screen, from which the app can still be left."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from tui.screens.sized import Sized
from tui.settle import settle

T = TypeVar("T")


class Modal(Sized, ModalScreen[T]):
    """Textual hides the app's own keys behind a modal screen; the ways out stay here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f10,ctrl+q", "app.leave", "leave tailfin", show=False),
        Binding("ctrl+c", "app.interrupt", "leave tailfin", show=False, priority=True),
        Binding("ctrl+z", "app.suspend_process", "to the shell", show=False),
    ]

    def on_mount(self) -> None:
        settle(self.app)
