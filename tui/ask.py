"""Questions that take time, asked in daemon threads; each ends in one message to its asker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from textual.message import Message
from textual.message_pump import MessagePump

from engine.errors import TailfinError


@dataclass
class Answered(Message, bubble=False):
    """The answer to a question by its name; a TailfinError is an answer too."""

    question: str
    serial: int
    value: object


@dataclass(frozen=True, slots=True)
class _Broken:
    error: Exception


class Asking(MessagePump):
    """Mixed into screens and panes: `ask` starts a question, `answered` receives what it returned.

    Textual's own thread workers live in the event loop's executor, which is waited for at exit: a
    hub that does not answer would keep a closed app alive. A daemon thread does not. Asking again
    under the same name makes the earlier answer void.
    """

    _serials: dict[str, int] | None = None

    def ask(self, question: str, work: Callable[[], object]) -> None:
        """Call `work` in a thread; its result reaches `answered(question, value)`."""
        serial = self._serial(question) + 1
        self._numbers()[question] = serial

        def run() -> None:
            try:
                value = work()
            except TailfinError as error:
                value = error
            except OSError as error:
                where = str(error.filename or "")
                said = f"{where or 'A file'} could not be used: {error.strerror or error}."
                value = TailfinError(said, "Check that it exists, its permissions and its disk.")
            except Exception as error:  # a mistake of ours: raised where the app can end cleanly
                value = _Broken(error)
            self.post_message(Answered(question, serial, value))

        threading.Thread(target=run, name=question, daemon=True).start()

    def forget(self, question: str) -> None:
        """Make the answer that is still to come void."""
        self._numbers()[question] = self._serial(question) + 1

    def answered(self, question: str, value: object) -> None:
        """What came of a question; overridden by the asker."""
        raise AssertionError(f"nobody listens for {question}: {value!r}")

    def on_answered(self, message: Answered) -> None:
        message.stop()
        if isinstance(message.value, _Broken):
            raise message.value.error
        if message.serial == self._serial(message.question) and not self.is_being_left:
            self.answered(message.question, message.value)

    @property
    def is_being_left(self) -> bool:
        """Whether the asker is being taken off the screen, its parts perhaps already."""
        # What textual 8.2.8 marks at once; the rest of it knows only when all are gone.
        return bool(getattr(self, "_pruning", False)) or self._closing or self._closed

    def _serial(self, question: str) -> int:
        return self._numbers().get(question, 0)

    def _numbers(self) -> dict[str, int]:
        if self._serials is None:
            self._serials = {}
        return self._serials
