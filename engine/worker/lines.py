"""The worker's end of a warm session: whole JSON lines out, and an end when nobody listens."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Mapping
from typing import IO

_PARENT_EVERY_S = 1.0


class Replies:
    """The way out: whole lines, from any thread."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, reply: Mapping[str, object]) -> None:
        try:
            with self._lock:
                self._stream.write(json.dumps(reply, ensure_ascii=False) + "\n")
                self._stream.flush()
        except (BrokenPipeError, ValueError):
            os._exit(0)  # nobody listens any more, and there is nothing to save


def take_stdout() -> IO[str]:
    """Keep the real stdout for replies; whatever libraries print goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    own = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(own, "w", encoding="utf-8", errors="backslashreplace")


def end_with_parent() -> None:
    """End with the parent even where somebody else still holds the pipe open.

    Polled: PR_SET_PDEATHSIG fires when the *thread* that started us ends, as in any thread pool.
    """
    threading.Thread(target=_watch_parent, name="parent", daemon=True).start()


def _watch_parent() -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(_PARENT_EVERY_S)
    os._exit(0)
