"""The light end of a warm chat session: starts it, sends requests, yields typed replies."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.data.text import inert
from engine.errors import EXIT_NO, TailfinError
from engine.runs.launch import worker_command
from engine.runs.store import RunFolder
from engine.runs.warm import WarmWorker

Which = Literal["base", "tuned"]


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
        self._worker = WarmWorker(worker_command("serve", str(run.path.resolve())))

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
        for line in self._worker.lines():
            yield _understood(line)
        code = self._worker.wait()
        if code != 0:
            raise TailfinError(
                f"The chat session ended unexpectedly (exit code {code}).",
                f"Its last words: {self._worker.tail() or 'none'}",
                exit_code=EXIT_NO,
            )

    def close(self) -> None:
        """End the child, politely first."""
        self._worker.close()

    def _send(self, request: dict[str, object]) -> None:
        try:
            self._worker.send(request)
        except BrokenPipeError:
            raise TailfinError(
                "The chat session is gone.",
                f"Start it again. Its last words: {self._worker.tail() or 'none'}",
                exit_code=EXIT_NO,
            ) from None


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
