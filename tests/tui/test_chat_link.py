"""The link to a session: order, batches, and an end that blocks nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from engine.errors import TailfinError
from engine.evaluate.session import Piece, Ready, Reply, Which
from tests.tui.scripted_session import ScriptedSession
from tui.chat_link import ChatLink, Ended, Heard


class _Ear:
    """Collects what is told and how it was batched."""

    def __init__(self) -> None:
        self.batches: list[tuple[Heard, ...]] = []
        self._more = threading.Condition()

    def hear(self, link: ChatLink, said: tuple[Heard, ...]) -> None:
        with self._more:
            self.batches.append(said)
            self._more.notify_all()

    @property
    def heard(self) -> list[Heard]:
        return [said for batch in self.batches for said in batch]

    def wait_for(self, count: int) -> list[Heard]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.heard) >= count, timeout=10), self.heard
            return self.heard


def _text(heard: Sequence[Heard]) -> str:
    return "".join(said.text for said in heard if isinstance(said, Piece))


def test_pieces_come_in_order_and_in_few_batches() -> None:
    session, ear = ScriptedSession(), _Ear()
    link = ChatLink(lambda: session, ear.hear, every_s=0.2)
    session.say(Ready("cpu", "float32"))
    ear.wait_for(1)
    words = [f"word{number} " for number in range(200)]
    for word in words:
        session.say(Piece("a", word))
        time.sleep(0.002)  # as a fast model speaks
    session.say(Piece("b", "other"))
    session.end()
    deadline = time.monotonic() + 10
    while not isinstance(ear.heard[-1], Ended):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert _text(ear.heard) == "".join(words) + "other"
    assert len(ear.batches) <= 10
    for batch in ear.batches:  # neighbours of one answer came as one
        ids = [said.id for said in batch if isinstance(said, Piece)]
        assert len(ids) == len(set(ids))
    assert [said.id for said in ear.batches[-1] if isinstance(said, Piece)][-1] == "b"
    link.close()


def test_a_session_that_fails_is_told_with_its_words() -> None:
    session, ear = ScriptedSession(), _Ear()
    ChatLink(lambda: session, ear.hear, every_s=0.0)
    session.say(TailfinError("It broke.", "Mend it."))
    (ended,) = ear.wait_for(1)
    assert isinstance(ended, Ended) and ended.error is not None
    assert (ended.error.message, ended.error.hint) == ("It broke.", "Mend it.")


def test_a_session_that_cannot_start_is_told_too() -> None:
    def start() -> ScriptedSession:
        raise TailfinError("There is no result.", "Train first.")

    ear = _Ear()
    link = ChatLink(start, ear.hear, every_s=0.0)
    (ended,) = ear.wait_for(1)
    assert isinstance(ended, Ended) and ended.error is not None
    assert ended.error.message == "There is no result."
    with pytest.raises(TailfinError, match="not there"):
        link.ask([], "tuned", 1)


@pytest.mark.parametrize(
    "broken", [ValueError("Expecting value"), AttributeError("get"), RecursionError()]
)
def test_whatever_ends_the_reading_does_not_go_unseen(broken: Exception) -> None:
    class Babbling(ScriptedSession):
        def replies(self) -> Iterator[Reply]:
            raise broken

    ear = _Ear()
    ChatLink(Babbling, ear.hear, every_s=0.0)
    (ended,) = ear.wait_for(1)
    assert isinstance(ended, Ended) and ended.error is not None
    assert "could not be understood" in ended.error.message


def test_closing_returns_at_once_and_silences_the_link() -> None:
    class Slow(ScriptedSession):
        def close(self) -> None:
            time.sleep(0.5)
            super().close()

    session, ear = Slow(), _Ear()
    link = ChatLink(lambda: session, ear.hear, every_s=0.0)
    session.say(Ready("cpu", "float32"))
    ear.wait_for(1)
    began = time.monotonic()
    link.close()
    assert time.monotonic() - began < 0.3
    session.say(Piece("a", "late"))
    assert session.closed.wait(10)
    assert ear.heard == [Ready("cpu", "float32")]


def test_a_link_closed_while_its_session_starts_leaves_none_behind() -> None:
    may_start = threading.Event()
    session = ScriptedSession()

    def start() -> ScriptedSession:
        may_start.wait(10)
        return session

    link = ChatLink(start, _Ear().hear)
    link.close()
    may_start.set()
    assert session.closed.wait(10)


def test_questions_and_cancels_reach_the_session() -> None:
    session, ear = ScriptedSession(), _Ear()
    link = ChatLink(lambda: session, ear.hear, every_s=0.0)
    session.say(Ready("cpu", "float32"))
    ear.wait_for(1)
    messages = [{"role": "user", "content": "Who?"}]
    which: Which = "base"
    asked = link.ask(messages, which, 7)
    link.cancel(asked)
    assert session.asked == [(messages, "base", 7)] and session.cancelled == [asked]
