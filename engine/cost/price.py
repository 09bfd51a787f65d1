"""What an hour of this box costs: entered once by its user, kept in a file of their own."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import TailfinError

ENVIRONMENT = "TAILFIN_PRICE_PER_HOUR"
_LONGEST_CURRENCY = 8


@dataclass(frozen=True, slots=True)
class Price:
    """An amount per hour; `currency` stands before amounts as a sign, or behind as a word."""

    per_hour: float
    currency: str = "$"

    def cost(self, seconds: float) -> float:
        return self.per_hour * max(seconds, 0.0) / 3600

    def say(self, seconds: float) -> str:
        """What so long costs, such as `$1.27` or `8.90 yuan`."""
        return self.amount(self.cost(seconds))

    @property
    def typed(self) -> str:
        """The price as a person would type it again."""
        return (
            f"{self.per_hour:g}" if self.currency == "$" else f"{self.per_hour:g} {self.currency}"
        )

    def amount(self, amount: float) -> str:
        text = f"{amount:,.2f}"
        return f"{text} {self.currency}" if self.currency.isalpha() else f"{self.currency}{text}"


def read_price(env: Mapping[str, str] | None = None) -> Price | None:
    """The price from TAILFIN_PRICE_PER_HOUR, else the one that was entered; None where none was.

    Raises TailfinError for a variable that is no price. A damaged file counts as none.
    """
    env = os.environ if env is None else env
    said = env.get(ENVIRONMENT, "").strip()
    if said:
        return parse_price(said, where=ENVIRONMENT)
    try:
        held = json.loads(price_file(env).read_text(encoding="utf-8"))
        return parse_price(str(held["per_hour"]), str(held["currency"]))
    except (OSError, ValueError, KeyError, TypeError, TailfinError):
        return None


def save_price(price: Price, env: Mapping[str, str] | None = None) -> Path:
    """Keep it for all runs on this box; raises TailfinError where nothing can be written."""
    file = price_file(os.environ if env is None else env)
    try:
        if not file.is_absolute():
            raise FileNotFoundError(2, "there is no home folder")
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = json.dumps({"per_hour": price.per_hour, "currency": price.currency})
        file.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise TailfinError(
            f"The price could not be kept in {file}: {error.strerror}.",
            f"Set it for this shell instead: export {ENVIRONMENT}={price.per_hour:g}",
            where=file,
            error_id="price.unwritable",
        ) from None
    return file


def forget_price(env: Mapping[str, str] | None = None) -> bool:
    """Remove the entered price; False where there was none."""
    try:
        price_file(os.environ if env is None else env).unlink()
    except OSError:
        return False
    return True


def parse_price(text: str, currency: str = "$", *, where: str = "price") -> Price:
    """A price from what somebody typed (`1.89`, `$1.89`, `0,79`); raises TailfinError."""
    number = text.strip().removeprefix("$").strip().replace(",", ".")
    try:
        per_hour = float(number)
    except ValueError:
        per_hour = math.nan
    if not 0 < per_hour < 1e6:
        raise TailfinError(
            f"{text!r} is not a price per hour.",
            "Give an amount above 0, such as: tailfin price 1.89",
            where=where,
            error_id="price.invalid",
        )
    word = currency.strip()
    if not word.isprintable() or not 0 < len(word) <= _LONGEST_CURRENCY:
        raise TailfinError(
            f"{currency!r} is not a currency.",
            f"Give a sign or a word of at most {_LONGEST_CURRENCY} letters: --currency EUR",
            where="--currency",
            error_id="price.currency",
        )
    return Price(per_hour, word)


def price_file(env: Mapping[str, str]) -> Path:
    """Where it lies; a relative path, never written, where there is no home."""
    return Path(os.path.expanduser(env.get("XDG_CONFIG_HOME") or "~/.config"), "tailfin/price.json")
