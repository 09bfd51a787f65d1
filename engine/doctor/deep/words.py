"""What a probe's process said: its JSON, its error, the signal it died of."""

from __future__ import annotations

import json
import re
import signal

from engine.doctor.host import Ran


def said(ran: Ran) -> dict[str, object]:
    """The JSON object a probe printed last; empty where it printed none."""
    for line in reversed(ran.out.strip().splitlines()):
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            return told
    return {}


def number(told: object, name: str) -> float | None:
    """A number of an answer; None where it is missing or none."""
    value = told.get(name) if isinstance(told, dict) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]


def whole(ran: Ran) -> str:
    """All that was said, errors first."""
    return f"{ran.err}\n{ran.out}"


def last_error(ran: Ran) -> str:
    """The line that names the error: the exception of a traceback, else the last line."""
    lines = [line.strip() for line in ran.err.strip().splitlines() if line.strip()]
    named = [
        line for line in lines if re.match(r"^[\w.]*(Error|Exception|Warning|Interrupt)\b", line)
    ]
    text = (named or lines or [""])[-1]
    return text if len(text) <= 300 else text[:297] + "..."


def signal_name(code: int) -> str:
    """`SIGSEGV` for -11 and for 139, a shell's word for it; empty where it was no signal."""
    sent = -code if code < 0 else code - 128 if code > 128 else 0
    try:
        return signal.Signals(sent).name
    except ValueError:
        return ""


def crash_place(ran: Ran) -> str:
    """The innermost line of Python's own report of a crash (faulthandler)."""
    found = re.search(r'^\s*File "([^"]+)", line (\d+) in (\S+)', ran.err, re.MULTILINE)
    return f"{found[1]}, line {found[2]}, {found[3]}" if found else ""
