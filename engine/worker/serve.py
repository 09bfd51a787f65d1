"""A warm chat session: JSON lines in, JSON lines out, gone when its parent is gone.

In:  {"id","op":"chat","messages":[{"role","content"}],"which":"tuned|base","max_new_tokens":n}
     {"op":"cancel","id"}    {"op":"quit"}
Out: {"event":"stage","name","detail"}  {"event":"progress","share"}  {"event":"notice","message"}
     {"event":"ready","device","dtype"}  {"event":"failed","message","hint","exit_code"}
     {"id","token"}...  {"id","done":true,...}  or  {"id","error","hint"}
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from engine.errors import EXIT_NO, EXIT_OOM, TailfinError
from engine.evaluate.delivered import find_delivered
from engine.worker.job import folder_argument
from engine.worker.lines import Replies, end_with_parent, take_stdout
from engine.worker.trained import Pair, Which

_PROGRESS_EVERY_S = 0.2
DEFAULT_NEW_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Request:
    """One chat request, checked."""

    id: str
    messages: tuple[dict[str, str], ...]
    which: Which
    max_new_tokens: int


def main(argv: list[str]) -> int:
    """`engine.worker serve RUN`: load the pair, then answer until stdin ends."""
    run = folder_argument(argv)
    pipe = _Pipe(take_stdout())
    requests = _Requests(pipe)
    requests.listen()
    try:
        delivered = find_delivered(run)
        pipe.stage("import")
        pair = Pair(delivered, pipe)
        with pair.model("tuned"):
            pipe.write({"event": "ready", "device": pair.device, "dtype": pair.dtype})
    except Exception as error:
        pipe.write({"event": "failed", **_told(error)})
        return int(error.exit_code) if isinstance(error, TailfinError) else EXIT_NO
    while True:
        request = requests.next()
        if request is None:
            return 0
        try:
            _answer(pair, request, pipe, requests)
        except Exception as error:
            told = _told(error)
            pipe.write({"id": request.id, "error": told["message"], "hint": told["hint"]})


def _answer(pair: Pair, request: Request, pipe: _Pipe, requests: _Requests) -> None:
    from engine.worker.answers import answer

    messages = list(request.messages)
    system = pair.delivered.spec.data.system
    if system and all(message["role"] != "system" for message in messages):
        # trained with it, so served with it
        messages.insert(0, {"role": "system", "content": system})
    began = time.monotonic()
    with pair.model(request.which) as model:
        said = answer(
            model,
            pair.tokenizer,
            pair.template,
            messages,
            max_new_tokens=request.max_new_tokens,
            on_text=lambda text: pipe.write({"id": request.id, "token": text}),
            cancelled=lambda: requests.is_cancelled(request.id),
        )
    pipe.write(
        {
            "id": request.id,
            "done": True,
            "text": said.text,
            "num_tokens": said.num_tokens,
            "hit_limit": said.hit_limit,
            "cancelled": requests.is_cancelled(request.id),
            "elapsed_s": round(time.monotonic() - began, 3),
        }
    )


class _Pipe(Replies):
    """Replies of a chat. It is also told how far loading is."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(stream)
        self._written = 0.0

    def stage(self, name: str, detail: str = "") -> None:
        self.write({"event": "stage", "name": name, "detail": detail})

    def progress(self, done: float, total: float, unit: str) -> None:
        now = time.monotonic()
        if total > 0 and (done >= total or now - self._written >= _PROGRESS_EVERY_S):
            self._written = now
            self.write({"event": "progress", "share": done / total})

    def notice(self, notice_id: str, severity: str, message: str, fix: str = "") -> None:
        self.write({"event": "notice", "message": f"{message} {fix}".strip()})


class _Requests:
    """The way in: read by a thread of its own, so that a cancel is seen while an answer runs."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        self._waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._cancelled: set[str] = set()

    def listen(self) -> None:
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        end_with_parent()

    def next(self) -> Request | None:
        return self._waiting.get()

    def is_cancelled(self, request_id: str) -> bool:
        return request_id in self._cancelled

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            if line.strip():
                self._take(line)
        os._exit(0)  # the parent is gone: not even the end of an answer matters

    def _take(self, line: bytes) -> None:
        request_id = ""
        try:
            raw = json.loads(line)
            request_id = str(raw.get("id", ""))
            match raw.get("op"):
                case "chat":
                    self._waiting.put(_request(raw))
                case "cancel":
                    self._cancelled.add(request_id)
                case "quit":
                    self._waiting.put(None)
                case other:
                    raise ValueError(f"there is no op {other!r}")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            said = f"The request was not understood: {error}."
            self._pipe.write({"id": request_id, "error": said, "hint": "Send one chat request."})


def _request(raw: Mapping[str, Any]) -> Request:
    messages = tuple(
        {"role": str(turn["role"]), "content": str(turn["content"])} for turn in raw["messages"]
    )
    if not messages:
        raise ValueError("messages is empty")
    if any(turn["role"] not in ("system", "user", "assistant") for turn in messages):
        raise ValueError("a role is none of system, user, assistant")
    if raw.get("which", "tuned") not in ("base", "tuned"):
        raise ValueError("which is neither base nor tuned")
    limit = int(raw.get("max_new_tokens", DEFAULT_NEW_TOKENS))
    if limit < 1:
        raise ValueError("max_new_tokens is below 1")
    return Request(str(raw["id"]), messages, raw.get("which", "tuned"), limit)


def _told(error: Exception) -> dict[str, object]:
    """Any failure as message and hint; memory named as such."""
    traceback.print_exception(error)
    if isinstance(error, TailfinError):
        return {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
    if "out of memory" in str(error).lower() or isinstance(error, MemoryError):
        return {
            "message": "Memory ran out.",
            "hint": "Ask for fewer new tokens, or start a new conversation.",
            "exit_code": EXIT_OOM,
        }
    first = (str(error).splitlines() or [""])[0][:300]
    return {
        "message": f"{type(error).__name__}: {first}",
        "hint": "The session's own output has the details.",
        "exit_code": EXIT_NO,
    }
