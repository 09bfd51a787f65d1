"""What a chat session says: understood, or refused in words."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import TailfinError
from engine.evaluate import session
from engine.evaluate.session import Ready, Session
from engine.runs.store import RunFolder

Say = Callable[[bytes], Session]
_READY = b'{"event": "ready", "device": "cpu", "dtype": "float32"}\n'


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """A session whose worker says these bytes and ends."""

    def start(said: bytes) -> Session:
        program = f"import sys; sys.stdout.buffer.write({said!r})"
        monkeypatch.setattr(
            session, "worker_command", lambda *words: [sys.executable, "-c", program]
        )
        return Session(RunFolder(tmp_path))

    return start


@pytest.mark.parametrize(
    "babble",
    [
        b"null",
        b"5",
        b"[]",
        b'"words"',
        b"{}",
        b"Loading weights: 100%",
        b'{"event": "progress", "share": null}',
        b'{"event": "failed", "message": "", "hint": "", "exit_code": Infinity}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_line_that_is_no_reply_is_named(say: Say, babble: bytes) -> None:
    talk = say(_READY + babble + b"\n")
    replies = talk.replies()
    assert next(replies) == Ready("cpu", "float32")
    with pytest.raises(TailfinError, match="what is no reply") as found:
        next(replies)
    assert found.value.hint == "Start it again."
    talk.close()


def test_what_it_said_reaches_no_terminal_as_it_is(say: Say) -> None:
    talk = say(b"\x1b]0;title\x07\n")
    with pytest.raises(TailfinError) as found:
        next(talk.replies())
    assert "\x1b" not in found.value.message and "title" in found.value.message
    talk.close()


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["event", "id", "token", "text", "share", "num_tokens", "error"]), inner
        )
    ),
    max_leaves=8,
)


@given(_JSON)
def test_no_json_breaks_the_reader(value: object) -> None:
    with contextlib.suppress(TailfinError):
        session._understood(json.dumps(value).encode())
