"""Starting points for common models on common cards: what `engine.suggest` answers, as a table."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from engine.bundled import bundled
from engine.errors import TailfinError
from engine.memory.cards import Card
from engine.memory.estimate import estimate
from engine.memory.model_shape import ModelShape, read_shape
from engine.settings import layer
from engine.spec import Spec
from engine.suggest import suggest, suggested_layer

Verdict = Literal["fits", "tight", "no"]
METHODS = ("lora", "qlora", "full")
# One card of each size that is common to rent or own: 12, 16, 24, 40, 48, 80 and 141 GB.
CARDS = ("RTX 3060 12GB", "T4", "RTX 4090", "A100 40GB", "L40S", "A100 80GB", "H200")
# Tokens per row, the longest first that has room.
LENGTHS = (2048, 1024, 512)
# "7B" means every model whose parameters are within this share of it.
_NEAR = 0.12


@dataclass(frozen=True, slots=True)
class Model:
    """A common model: its name, where it is on the hub, and its shape."""

    name: str
    repo: str
    published_b: float
    shape: ModelShape


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """Settings for one model, card and method, with the predicted process peak in GiB.

    `suggested` says that this is the method that would be suggested there. `measured` is off as
    long as no run on that card stands beside it.
    """

    model: str
    card: str
    method: str
    suggested: bool
    length: int
    micro_batch: int
    accumulation: int
    gradient_checkpointing: bool
    peak_gib: float
    headroom_gib: float
    verdict: Verdict
    tier: str = "estimate"
    measured: bool = False


def starting_point(model: Model, card: Card, method: str) -> StartingPoint:
    """What suits rows of 2048 tokens, or of 1024 or 512 where longer ones have no room."""
    for length in LENGTHS:
        found = _at(model, card, method, length)
        if found.verdict == "fits":
            return found
    return found


def starting_points(
    models: Sequence[Model], cards: Sequence[Card], methods: Sequence[str] = METHODS
) -> list[StartingPoint]:
    """Computed anew, models in order, each on every card with every method."""
    return [starting_point(m, card, method) for m in models for card in cards for method in methods]


@cache
def known_models() -> tuple[Model, ...]:
    """All rows of profiles/models.toml, smallest first."""
    rows: list[dict[str, Any]] = _table("models.toml")["model"]
    models = [
        Model(row["name"], row["repo"], row["published_b"], read_shape(row["config"]))
        for row in rows
    ]
    return tuple(sorted(models, key=lambda model: model.shape.params))


@cache
def kept_points() -> tuple[StartingPoint, ...]:
    """All rows of profiles/starting_points.toml."""
    return tuple(StartingPoint(**row) for row in _table("starting_points.toml")["rows"])


def models_of_size(size: str) -> list[Model]:
    """Models of about so many parameters ("7B", "500M") or of that name; raises TailfinError."""
    wanted = size.strip().lower()
    named = [model for model in known_models() if wanted == model.name.lower()]
    number, unit = wanted[:-1], {"b": 1e9, "m": 1e6}.get(wanted[-1:], 0.0)
    try:
        params = float(number) * unit
    except ValueError:
        params = 0.0
    near = [m for m in known_models() if params and abs(m.shape.params / params - 1) <= _NEAR]
    if not named and not near:
        names = ", ".join(model.name for model in known_models())
        raise TailfinError(
            f"No model of the table has the size {size!r}.",
            f"Give billions such as 7B, or one of: {names}.",
            where="--model-size",
        )
    return named or near


def _at(model: Model, card: Card, method: str, length: int) -> StartingPoint:
    base: dict[str, object] = {"model": {"path": model.repo}, "data": {"path": "unnamed"}}
    chosen = {**base, "train": {"method": method}}
    spec = _laid_in(chosen, model, card, length, {"train.method"})
    budget = estimate(model.shape, spec, length, card)
    usual = _laid_in(base, model, card, length, set())
    verdict: Verdict = "no"
    if budget.fits:
        verdict = "tight" if budget.is_tight else "fits"
    return StartingPoint(
        model=model.name,
        card=card.name,
        method=method,
        suggested=usual.train.method == method,
        length=length,
        micro_batch=spec.train.micro_batch,
        accumulation=spec.train.accumulation,
        gradient_checkpointing=spec.train.gradient_checkpointing,
        peak_gib=round(budget.peak_gib, 2),
        headroom_gib=round(card.usable_gib - budget.peak_gib, 2),
        verdict=verdict,
    )


def _laid_in(
    chosen: dict[str, object], model: Model, card: Card, length: int, fixed: set[str]
) -> Spec:
    """The choices with everything that is suggested for them."""
    plain = layer([("you", chosen)]).spec
    found = suggest(plain, model.shape, length, card, fixed=fixed)
    return layer([("you", chosen), ("suggested", suggested_layer(found))]).spec


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((bundled("profiles") / name).read_text(encoding="utf-8"))
