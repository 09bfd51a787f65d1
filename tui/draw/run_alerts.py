"""What a person should know now: warnings of the run, silence, numbers that are none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.data.text import counted
from engine.runs.events import Notice
from engine.runs.state import LIVE, Observed
from tui.draw.history import Trend
from tui.draw.line import Line, clip, line
from tui.draw.pace import pace, quiet_s
from tui.draw.run_head import seconds
from tui.draw.words import loss

WORDS = {"fail": "FAIL", "warn": "WARN", "info": "INFO", "ok": "OK", "skip": "SKIP"}
_GRAVE = ("fail", "warn")


@dataclass(frozen=True, slots=True)
class Alert:
    """A severity and a sentence, with what to do about it."""

    severity: str
    message: str
    fix: str = ""


def run_alerts(observed: Observed, trend: Trend, now: float) -> list[Alert]:
    """What is odd about a run, failures before warnings, the newest of each first."""
    status = observed.status
    found: list[Alert] = []
    if observed.state in LIVE and (silent_s := quiet_s(status, now)):
        usual_s = pace(status).step_s
        usually = (
            f"usually {seconds(usual_s)}" if math.isfinite(usual_s) else "its pace is not known yet"
        )
        said = f"No step for {seconds(_calm(silent_s))} ({usually})."
        found.append(Alert("warn", said, "Look at the log and the device."))
    if trend.num_broken and not any(n.id == "train.nan" for n in status.notices):
        where = f"first at step {trend.first_broken:,}"
        last = status.steps[-1].loss
        now_too = "" if math.isfinite(last) else f", now {loss(last)}"
        said = f"The loss was no number at {counted(trend.num_broken, 'step')}, {where}{now_too}."
        found.append(Alert("fail", said, "Stop, and lower the learning rate."))
    found += [
        Alert(n.severity, n.message, n.fix)
        for n in reversed(status.notices)
        if n.severity in _GRAVE
    ]
    return sorted(found, key=lambda alert: _GRAVE.index(alert.severity))


def alert_lines(found: Sequence[Alert], width: int, most: int, key: str) -> list[Line]:
    """The first alerts, one line each; where more is to be read, the key that shows it."""
    drawn: list[Line] = []
    for number, alert in enumerate(found[:most]):
        word = WORDS[alert.severity]
        text = f"{alert.message} {alert.fix}".rstrip()
        room = width - len(word) - 2
        is_last = number == min(len(found), most) - 1
        is_cut = len(found) > most or len(clip(text, room)) < len(text)
        tail = f"  {key}: read it" if is_last and is_cut and key else ""
        if len(found) > most and tail:
            tail = f"  {key}: all {len(found)}"
        clipped = clip(text, room - len(tail))
        drawn.append(line((word, alert.severity), "  ", clipped, (tail, "key")))
    return drawn


def notice_paragraphs(found: Sequence[Alert], notices: Sequence[Notice]) -> list[str]:
    """All of them for reading: alerts first, then what was only worth a word, newest first."""
    said = [f"{WORDS[a.severity]}  {a.message}" + (f" Do: {a.fix}" if a.fix else "") for a in found]
    rest = [n for n in reversed(notices) if n.severity not in _GRAVE]
    return [*said, *(f"{n.severity.upper()}  {n.message} {n.fix}".rstrip() for n in rest)]


def _calm(age_s: float) -> float:
    """Rounded down to 10 s, so that the warning is not drawn anew each second."""
    return math.floor(age_s / 10) * 10
