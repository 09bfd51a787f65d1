"""`tailfin budget SPEC --cards`: the budget against every card in the table."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.memory.model_shape import ModelShape
    from engine.memory.which_card import Candidate
    from engine.spec import Spec

_WORDS = {"fits": "OK    fits", "tight": "WARN  tight", "no": "FAIL  does not fit"}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cards", action="store_true", help="which cards the run would fit on")


def answer(shape: ModelShape, spec: Spec, length: int) -> tuple[dict[str, object], list[str]]:
    """`cards` (name, usable_gib, verdict, peak_gib, headroom_gib, why_not), `smallest_card`."""
    from engine.memory.which_card import smallest, which_card

    found = which_card(shape, spec, length)
    least = smallest(found)
    if least is None:
        said = "No card in the table holds this run."
    else:
        room = "tightly: " if least.verdict == "tight" else ""
        said = (
            f"The smallest card that holds it is {room}{least.card.name} "
            f"({least.peak_gib:.2f} of {least.card.usable_gib:.2f} GiB)."
        )
    lines = [
        "\nEvery card in the table, alone and empty; prices are not known here:",
        f"{'card':<24}{'usable GiB':>11}{'needs':>9}{'left':>9}",
        *map(_line, found),
        said,
    ]
    data: dict[str, object] = {
        "cards": [_data(candidate) for candidate in found],
        "smallest_card": least.card.name if least else None,
    }
    return data, lines


def _line(one: Candidate) -> str:
    why = f": {one.why_not}" if one.why_not else ""
    sizes = f"{one.card.usable_gib:>11.2f}{one.peak_gib:>9.2f}{one.headroom_gib:>9.2f}"
    return f"{one.card.name:<24}{sizes}  {_WORDS[one.verdict]}{why}"


def _data(one: Candidate) -> dict[str, object]:
    return {
        "name": one.card.name,
        "usable_gib": one.card.usable_gib,
        "verdict": one.verdict,
        "peak_gib": one.peak_gib,
        "headroom_gib": one.headroom_gib,
        "why_not": one.why_not,
    }
