"""What a person should know now: warnings of the run, silence, broken numbers, a lost folder."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.errors import TailfinError
from engine.runs.events import Notice
from engine.runs.state import LIVE, Observed
from tui.draw.history import Trend
from tui.draw.line import Line, clip, line
from tui.draw.pace import pace, quiet_s
from tui.draw.words import loss

_RANK = {"fail": 0, "warn": 1}
WORDS = {"fail": "FAIL", "warn": "WARN", "info": "INFO", "ok": "OK"}


@dataclass(frozen=True, slots=True)
class Alert:
    """A severity and a sentence, with what to do about it."""

    severity: str
    message: str
    fix: str = ""


def alerts(
    observed: Observed, trend: Trend, now: float, *, trouble: TailfinError | None = None
) -> list[Alert]:
    """Everything that asks for attention, the gravest and newest first."""
    found: list[Alert] = []
    if trouble is not None:
        found.append(Alert("fail", trouble.message, trouble.hint))
    status = observed.status
    if observed.state in LIVE:
        silent_s = quiet_s(status, now)
        if silent_s:
            usual = pace(status).step_s
            words = f"usually {_seconds(usual)}" if math.isfinite(usual) else "none so far"
            found.append(
                Alert(
                    "warn",
                    f"No step for {_seconds(silent_s)} ({words}).",
                    "Look at the log and the device; x stops the run with a checkpoint.",
                )
            )
    notices = [n for n in reversed(status.notices) if n.severity in _RANK]
    notices.sort(key=lambda n: _RANK[n.severity])
    found += [Alert(n.severity, n.message, n.fix) for n in notices]
    if trend.num_broken and not any(n.id == "train.nan" for n in status.notices):
        said = loss(status.steps[-1].loss)
        now_too = f", now {said}" if not math.isfinite(status.steps[-1].loss) else ""
        found.append(
            Alert(
                "fail",
                f"Loss was not a finite number at {trend.num_broken} steps, first at step "
                f"{trend.first_broken}{now_too}.",
                "Stop, and lower the learning rate.",
            )
        )
    found.sort(key=lambda alert: _RANK[alert.severity])
    return found


def alert_line(found: list[Alert], num_notices: int, width: int) -> list[Line]:
    """The first alert on one line, and the key that shows all; no line where there is none."""
    if not found:
        return []
    first = found[0]
    tail = f"  n: all {max(num_notices, len(found))}" if width >= 40 else ""
    word = WORDS[first.severity]
    text = f"{first.message} {first.fix}".rstrip()
    room = width - len(word) - 2 - len(tail)
    return [line((word, first.severity), "  ", clip(text, room), (tail, "key"))]


def notice_paragraphs(found: list[Alert], notices: tuple[Notice, ...]) -> list[str]:
    """All of them for reading: alerts first, then what was only worth a word, newest first."""
    said = [f"{WORDS[a.severity]}  {a.message}" + (f" Do: {a.fix}" if a.fix else "") for a in found]
    rest = [n for n in reversed(notices) if n.severity not in _RANK]
    said += [
        f"{WORDS.get(n.severity, n.severity.upper())}  {n.message} {n.fix}".rstrip() for n in rest
    ]
    return said


def _seconds(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
