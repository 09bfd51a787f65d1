"""A warm chat session at the other end of two threads: nothing here blocks the screen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.errors import EXIT_NO, TailfinError
from engine.evaluate.session import Piece, Reply, Which

# Words come by the dozen per second; drawn so often, they would cost more than the link has.
EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over; `error` says why, None where it simply ended."""

    error: TailfinError | None


Heard = Reply | Ended


class Talks(Protocol):
    """What a session can do; see engine.evaluate.session.Session."""

    def ask(
        self, messages: Sequence[dict[str, str]], which: Which, *, max_new_tokens: int
    ) -> str: ...
    def cancel(self, request_id: str) -> None: ...
    def replies(self) -> Iterator[Reply]: ...
    def close(self) -> None: ...


class ChatLink:
    """Starts a session and hands on what it says in batches, a few times per second.

    `tell` is called in a thread with this link and replies in their order, neighbouring pieces of
    one answer joined; the last of all batches ends with Ended. After `close` nothing is told.
    """

    def __init__(
        self,
        start: Callable[[], Talks],
        tell: Callable[[ChatLink, tuple[Heard, ...]], None],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._start = start
        self._tell = tell
        self._every_s = every_s
        self._session: Talks | None = None
        self._lock = threading.Lock()
        self._inbox: list[Heard] = []
        self._has_mail = threading.Event()
        self._closed = threading.Event()
        for work in (self._read, self._hand_on):
            threading.Thread(target=work, name="chat", daemon=True).start()

    def ask(self, messages: Sequence[dict[str, str]], which: Which, limit: int) -> str:
        """Send a conversation; returns the answer's id. Raises TailfinError once it is dead."""
        if self._session is None:
            raise TailfinError("The chat session is not there.", "Start it again with Ctrl+R.")
        return self._session.ask(messages, which, max_new_tokens=limit)

    def cancel(self, request_id: str) -> None:
        """End an answer at its next token."""
        if self._session is not None:
            self._session.cancel(request_id)

    def close(self) -> None:
        """End the session; politely, which takes a moment, and therefore in a thread."""
        with self._lock:
            self._closed.set()
            self._has_mail.set()
            session, self._session = self._session, None
        if session is not None:
            threading.Thread(target=session.close, name="chat-end", daemon=True).start()

    def _read(self) -> None:
        error: TailfinError | None = None
        try:
            session = self._start()
            with self._lock:
                is_late = self._closed.is_set()
                self._session = None if is_late else session
            if is_late:
                session.close()
                return
            for reply in session.replies():
                self._put(reply)
        except TailfinError as failure:
            error = failure
        except Exception as failure:
            # A pipe that broke or a mistake of ours: whoever waits has to hear of its end.
            said = str(failure) or type(failure).__name__
            error = TailfinError(
                f"The chat session could not be understood: {said}.",
                "Start it again with Ctrl+R.",
                exit_code=EXIT_NO,
            )
        self._put(Ended(error))

    def _put(self, heard: Heard) -> None:
        with self._lock:
            self._inbox.append(heard)
            self._has_mail.set()

    def _hand_on(self) -> None:
        while not self._closed.is_set():
            self._has_mail.wait()
            with self._lock:
                batch, self._inbox = self._inbox, []
                if not self._closed.is_set():
                    self._has_mail.clear()
            if self._closed.is_set():
                return
            self._tell(self, tuple(_joined(batch)))
            if any(isinstance(heard, Ended) for heard in batch):
                return
            self._closed.wait(self._every_s)


def _joined(batch: Iterable[Heard]) -> list[Heard]:
    """Neighbouring pieces of one answer as one."""
    joined: list[Heard] = []
    for heard in batch:
        last = joined[-1] if joined else None
        if isinstance(heard, Piece) and isinstance(last, Piece) and last.id == heard.id:
            joined[-1] = Piece(heard.id, last.text + heard.text)
        else:
            joined.append(heard)
    return joined
