"""A chat session without a model: it says what a test lets it say."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence

from engine.errors import TailfinError
from engine.evaluate.session import Reply, Which


class ScriptedSession:
    """Asked questions get the ids 1, 2, 3; `say` is what the session answers next."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[dict[str, str]], Which, int]] = []
        self.cancelled: list[str] = []
        self.closed = threading.Event()
        self._says: queue.SimpleQueue[Reply | TailfinError | None] = queue.SimpleQueue()

    def say(self, *replies: Reply | TailfinError) -> None:
        """Replies to hand out; an error is raised there."""
        for reply in replies:
            self._says.put(reply)

    def end(self) -> None:
        """No more replies."""
        self._says.put(None)

    def ask(self, messages: Sequence[dict[str, str]], which: Which, *, max_new_tokens: int) -> str:
        self.asked.append((list(messages), which, max_new_tokens))
        return str(len(self.asked))

    def cancel(self, request_id: str) -> None:
        self.cancelled.append(request_id)

    def replies(self) -> Iterator[Reply]:
        while (reply := self._says.get()) is not None:
            if isinstance(reply, TailfinError):
                raise reply
            yield reply

    def close(self) -> None:
        self.closed.set()
        self.end()
