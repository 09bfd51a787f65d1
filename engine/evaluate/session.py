"""The light end of a warm chat session: starts it, sends requests, yields typed replies."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.data.text import inert
from engine.errors import EXIT_NO, TailfinError
from engine.runs.launch import worker_command, worker_environment
from engine.runs.store import RunFolder

Which = Literal["base", "tuned"]
_QUIT_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Loading:
    """A stage of the start began."""

    stage: str
    detail: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The share of the current stage that is done, 0 to 1."""

    share: float


@dataclass(frozen=True, slots=True)
class Remark:
    """Something the person should know."""

    message: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The models are loaded."""

    device: str
    dtype: str


@dataclass(frozen=True, slots=True)
class Piece:
    """The next words of an answer."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """The whole answer; `hit_limit`: the model did not end it, `cancelled`: a person did."""

    id: str
    text: str
    num_tokens: int
    hit_limit: bool
    cancelled: bool
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that could not be answered."""

    id: str
    message: str
    hint: str


Reply = Loading | Loaded | Remark | Ready | Piece | Done | Refused


class Session:
    """One `engine.worker serve` child; it ends with this process or with `close`.

    `replies` blocks: read it in a thread where something else has to go on. Starting loads the
    models, so the first replies are Loading until Ready.
    """

    def __init__(self, run: RunFolder) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._process = subprocess.Popen(
            worker_command("serve", str(run.path.resolve())),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=worker_environment(),
            # a Ctrl-C in the terminal is for us: it cancels an answer, not the session
            start_new_session=True,
        )

    def ask(self, messages: Sequence[dict[str, str]], which: Which, *, max_new_tokens: int) -> str:
        """Send a conversation; returns the id its pieces will carry."""
        request_id = uuid.uuid4().hex[:8]
        self._send(
            {
                "id": request_id,
                "op": "chat",
                "messages": list(messages),
                "which": which,
                "max_new_tokens": max_new_tokens,
            }
        )
        return request_id

    def cancel(self, request_id: str) -> None:
        """End an answer at its next token; its Done still comes."""
        self._send({"op": "cancel", "id": request_id})

    def replies(self) -> Iterator[Reply]:
        """Every reply as it comes. Raises TailfinError when the session fails or dies."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield _understood(line)
        code = self._process.wait()
        if code != 0:
            raise TailfinError(
                f"The chat session ended unexpectedly (exit code {code}).",
                f"Its last words: {self._tail() or 'none'}",
                exit_code=EXIT_NO,
            )

    def close(self) -> None:
        """End the child, politely first."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_QUIT_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _send(self, request: dict[str, object]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise TailfinError(
                "The chat session is gone.",
                f"Start it again. Its last words: {self._tail() or 'none'}",
                exit_code=EXIT_NO,
            ) from None

    def _tail(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:300]


def _understood(line: bytes) -> Reply:
    try:
        return _reply(line)
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        said = inert(line[:80].decode("utf-8", "replace").strip())
        raise TailfinError(
            f"The chat session said what is no reply: {said}",
            "Start it again.",
            exit_code=EXIT_NO,
        ) from None


def _reply(line: bytes) -> Reply:
    raw = json.loads(line)
    if not isinstance(raw, dict):
        raise ValueError("no object")
    match raw.get("event"):
        case "stage":
            return Loading(str(raw["name"]), str(raw["detail"]))
        case "progress":
            return Loaded(float(raw["share"]))
        case "notice":
            return Remark(str(raw["message"]))
        case "ready":
            return Ready(str(raw["device"]), str(raw["dtype"]))
        case "failed":
            raise TailfinError(
                str(raw["message"]), str(raw["hint"]), exit_code=int(raw["exit_code"])
            )
    request_id = str(raw["id"])
    if "error" in raw:
        return Refused(request_id, str(raw["error"]), str(raw["hint"]))
    if "token" in raw:
        return Piece(request_id, str(raw["token"]))
    return Done(
        request_id,
        text=str(raw["text"]),
        num_tokens=int(raw["num_tokens"]),
        hit_limit=bool(raw["hit_limit"]),
        cancelled=bool(raw["cancelled"]),
        elapsed_s=float(raw["elapsed_s"]),
    )
