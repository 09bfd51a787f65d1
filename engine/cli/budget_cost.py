"""The part of `tailfin budget` about time and money, of a data file that was counted or without."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from engine.cost.forecast import Amount, forecast
from engine.cost.price import Price, read_price
from engine.cost.rates import rate_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.memory.cards import Card
    from engine.memory.model_shape import ModelShape
    from engine.runs.store import RunFolder
    from engine.spec import Spec

_MILLION = 1e6


def answer(
    shape: ModelShape,
    spec: Spec,
    length: int,
    card: Card,
    amount: Amount | None,
    runs: Sequence[RunFolder],
) -> tuple[dict[str, object], list[str]]:
    """`time` (tokens_per_s: low, high by the data sheet; least_s, most_s, basis) and `money`
    (per_hour, currency, least, most, per_million_tokens), each null where nobody knows.
    """
    price = read_price()
    rate = rate_of(shape, spec, length, card)
    told = forecast(shape, spec, length, card, amount, runs) if amount else None
    time = {
        "tokens_per_s": asdict(rate) if rate else None,
        "least_s": told.least_s if told else None,
        "most_s": told.most_s if told else None,
        "basis": told.basis if told else None,
    }
    money = None
    if price is not None:
        money = {
            "per_hour": price.per_hour,
            "currency": price.currency,
            "least": price.cost(told.least_s) if told else None,
            "most": price.cost(told.most_s) if told else None,
            "per_million_tokens": [_per_million(price, one) for one in (rate.high, rate.low)]
            if rate
            else None,
        }
    lines = []
    if told is not None:
        cost = f", {_range(price.say(told.least_s), price.say(told.most_s))}" if price else ""
        span = _range(_clock(told.least_s), _clock(told.most_s))
        lines.append(f"\nTime: {span}{cost} ({told.basis})")
    elif rate is not None:
        each = ""
        if price is not None:
            costs = (price.amount(_per_million(price, one)) for one in (rate.high, rate.low))
            each = f"; a million tokens for {_range(*costs)}"
        lines.append(
            f"\nSpeed: {rate.low:,.0f} to {rate.high:,.0f} tokens per second{each} "
            f"(by the data sheet of {card.name}, unmeasured)"
        )
    if lines and price is None:
        lines.append("What an hour of the box costs: tailfin price 1.89")
    return {"time": time, "money": money}, lines


def _per_million(price: Price, tokens_per_s: float) -> float:
    return price.cost(_MILLION / tokens_per_s)


def _range(least: str, most: str) -> str:
    return least if least == most else f"{least} to {most}"


def _clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{max(seconds, 1):.0f} s"
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
