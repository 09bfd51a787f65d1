"""What was asked of a run and what it answered, in words."""

from __future__ import annotations

from engine.errors import TailfinError
from engine.runs.status import Status
from tui.draw.run_alerts import Alert

# How long an answer stands before it makes way for warnings.
_SHOWN_S = 15.0
_ASKED = {
    "save": "A checkpoint was asked for; it is made after the step.",
    "stop": "The run was asked to stop; it saves first.",
}


class Requests:
    """Follows requests by their id from the moment they are made to their answer in the log."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}  # id -> name
        self._known: frozenset[str] | None = None
        self._attempt = 0
        self._stopping = 0
        self._said: Alert | None = None
        self._said_at = 0.0

    def asking(self, name: str, now: float) -> None:
        """A request is on its way."""
        self._say(Alert("info", _ASKED[name]), now)

    def asked(self, name: str, act_id: str) -> None:
        """It lies in the run's folder; a quick worker may have answered by now."""
        if act_id not in (self._known or ()):
            self._waiting[act_id] = name

    def refused(self, error: TailfinError, now: float) -> None:
        """It could not be made."""
        self._say(Alert("fail", error.message, error.hint), now)

    def hear(self, status: Status, now: float, *, is_live: bool) -> None:
        """Take the answers from the log, and what happened to the run otherwise."""
        known = self._known
        if known is not None and self._attempt and status.attempt > self._attempt:
            first = status.started.from_step if status.started else 0
            said = f"The run was resumed: attempt {status.attempt} goes on from step {first:,}."
            self._say(Alert("info", said), now)
        for act in status.acts:
            if known is not None and act.id not in known:
                if act.name == "stop" and act.ok:
                    self._stopping = status.attempt
                self._say(Alert("info" if act.ok else "warn", f"{act.name}: {act.message}"), now)
                self._waiting.pop(act.id, None)
        if not is_live:
            self._said = None
            self._waiting.clear()
        self._known = frozenset(act.id for act in status.acts)
        self._attempt = status.attempt

    def alert(self, now: float) -> Alert | None:
        """What there is to say at this moment."""
        if self._said is None:
            return None
        is_over = now - self._said_at > _SHOWN_S and not self._waiting
        return None if is_over else self._said

    @property
    def is_stopping(self) -> bool:
        """Whether the present attempt said that it stops."""
        return self._stopping > 0 and self._stopping == self._attempt

    def _say(self, alert: Alert, now: float) -> None:
        self._said, self._said_at = alert, now
