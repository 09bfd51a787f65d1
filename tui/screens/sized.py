"""Screens that believe only the newest size of the terminal."""

from __future__ import annotations

from textual.events import Resize
from textual.message import Message
from textual.message_pump import MessagePump


class Sized(MessagePump):
    """Mixed into screens, which are always as large as the terminal.

    A screen of textual 8.2.8 sends itself the size it was just laid out for. With two sizes in its
    queue, and something between them, each brought the other back for ever: dragging a window
    could freeze the app. No widget itself, because the first one among the bases gives the styles.
    """

    def check_message_enabled(self, message: Message) -> bool:
        """Whether a message is taken; sizes that are out of date are not."""
        if isinstance(message, Resize) and message.size != self.app.size:
            return False
        return super().check_message_enabled(message)
