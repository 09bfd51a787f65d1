"""Numbers as people read them: times, sizes, rates, losses; a dash for what is no such number."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

NOTHING = "-"
# Past every time and every size there is.
_LONGEST_S, _LARGEST_BYTES = 2.0**40, 2.0**80


def clock(seconds: float) -> str:
    """Seconds as 0:07, 12:30 or 3:05:00."""
    if not seconds <= _LONGEST_S:
        return NOTHING
    whole = round(max(0.0, seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def about(seconds: float) -> str:
    """A duration one plans with: `under a minute`, `25 min`, `3 h 20 min`."""
    if not seconds <= _LONGEST_S:
        return NOTHING
    if seconds < 60:
        return "under a minute"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest and hours < 10 else f"{hours} h"


def ago(then: float, now: float) -> str:
    """How long ago a moment was; unix times in seconds."""
    gone = now - then
    if not gone <= _LONGEST_S:
        return NOTHING
    for unit, seconds in (("d", 86_400), ("h", 3600), ("min", 60)):
        if gone >= seconds:
            return f"{int(gone // seconds)} {unit} ago"
    return "just now"


def moment(unix: float) -> str:
    """A local date and time."""
    if not 0 <= unix <= _LONGEST_S:
        return NOTHING
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix))


def size(num_bytes: float) -> str:
    """Bytes in the unit that gives a short number."""
    if not abs(num_bytes) <= _LARGEST_BYTES:
        return NOTHING
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if num_bytes >= scale:
            value = num_bytes / scale
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"
    return f"{num_bytes:.0f} B"


def loss(value: float | None) -> str:
    """A loss with four digits that count; NaN and infinity in words."""
    if value is None:
        return "-"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "infinite"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.4g}"


def short_path(path: Path | str) -> str:
    """The path with the home folder as ~."""
    home, text = os.path.expanduser("~"), str(path)
    return f"~{text[len(home) :]}" if home != "/" and text.startswith(f"{home}/") else text
