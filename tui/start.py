"""The start of one attempt: begun at most once at a time, its outcome kept for whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.errors import TailfinError
    from engine.runs.store import RunFolder


class Start:
    """Belongs to a draft, so that a second Enter or a review shown again starts no second run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._is_begun = self._is_committed = self._is_abandoned = False
        self._run: RunFolder | None = None
        self.error: TailfinError | None = None
        """Why the last attempt failed."""

    @property
    def is_begun(self) -> bool:
        """Whether a run is being started, or was."""
        return self._is_begun

    def begin(self) -> bool:
        """Take the right to start; False where somebody has it."""
        with self._lock:
            if self._is_begun:
                return False
            self._is_begun, self._is_committed, self.error = True, False, None
            self._ended.clear()
            return True

    def carry_out(self, work: Callable[[], RunFolder]) -> RunFolder:
        """Start it, after `begin`; what `work` raises ends the attempt and is raised again."""
        from engine.errors import TailfinError

        try:
            self._run = work()
        except BaseException as error:
            self.error = error if isinstance(error, TailfinError) else None
            self._is_begun = False
            raise
        finally:
            self._ended.set()
        return self._run

    def commit(self) -> None:
        """Called by the work before it makes anything; raises TailfinError where it was left."""
        from engine.errors import TailfinError

        with self._lock:
            if self._is_abandoned:
                raise TailfinError("No run was started: it was given up.", "Start it: tailfin")
            self._is_committed = True

    def abandon(self) -> bool:
        """Start nothing any more; False where it is too late for that."""
        with self._lock:
            self._is_abandoned = not self._is_committed
            return self._is_abandoned

    def has_ended(self, within_s: float) -> bool:
        """Whether the attempt under way came to its end by then."""
        return self._ended.wait(within_s)

    def outcome(self) -> RunFolder | None:
        """Wait for the end of the attempt under way; None where it failed."""
        self._ended.wait()
        return self._run
