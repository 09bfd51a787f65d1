"""What a run has cost, what it will have cost at its end, and what the box burns since then."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.cost.price import Price
from engine.runs.state import LIVE, Observed


@dataclass(frozen=True, slots=True)
class Bill:
    """Seconds of box time, from the first attempt's beginning on; gaps between attempts count.

    `left_s` is NaN while nobody knows it; `idle_s` is 0 while the run is at work.
    """

    spent_s: float
    left_s: float
    idle_s: float


def bill(observed: Observed, now: float, left_s: float = math.nan) -> Bill:
    """`now` is a unix time, `left_s` the time left of a live run.

    A box is paid for while a run waits to be resumed, too: only its end stops the count.
    """
    status = observed.status
    if observed.state in LIVE:
        return Bill(max(now - status.first_time, 0.0), left_s, 0.0)
    spent_s = max(status.last_time - status.first_time, 0.0)
    if observed.state == "elsewhere":  # what that box does since then is not known here
        return Bill(spent_s, 0.0, 0.0)
    return Bill(spent_s, 0.0, max(now - status.last_time, 0.0))


def say_bill(one: Bill, price: Price) -> str:
    """One short phrase: `$0.40 of about $1.27`, or `$1.27, and $5.67 since its end`."""
    spent = price.say(one.spent_s)
    if math.isfinite(one.left_s) and one.left_s > 0:
        return f"{spent} of about {price.say(one.spent_s + one.left_s)}"
    if one.idle_s > 0:
        return f"{spent}, and {price.say(one.idle_s)} since its end"
    return spent
