"""Writes profiles/starting_points.toml: what is suggested for common models on common cards.

    python -m tests.benchmarks.make_starting_points

Every row comes from `engine.suggest` and the closed estimate; none is written by hand.
"""

from __future__ import annotations

from dataclasses import asdict

import tomli_w

from engine.bundled import bundled
from engine.memory.cards import find_card
from engine.starting_points import CARDS, LENGTHS, METHODS, known_models, starting_points

_HEAD = """\
# Starting points: what tailfin suggests for common models on common cards, with the predicted peak.
# Made by `make starting-points` from profiles/models.toml, profiles/cards.toml and the suggestions;
# do not edit. Peaks are those of the process, by the closed estimate; measured = false: no row was
# run on its card. Rows are of {lengths} tokens, the longest that has room. `suggested` marks the
# method that is suggested where nobody chooses one.

"""


def main() -> None:
    found = starting_points(known_models(), [find_card(name) for name in CARDS], METHODS)
    lines = [_row(asdict(point)) for point in found]
    lengths = " or ".join(map(str, LENGTHS))
    text = _HEAD.format(lengths=lengths) + "rows = [\n" + "".join(lines) + "]\n"
    (bundled("profiles") / "starting_points.toml").write_text(text, encoding="utf-8")
    fits = sum(point.verdict == "fits" for point in found)
    print(f"{len(found)} rows, {fits} of them with room")


def _row(values: dict[str, object]) -> str:
    words = (tomli_w.dumps({name: value}).strip() for name, value in values.items())
    return f"  {{ {', '.join(words)} }},\n"


if __name__ == "__main__":
    main()
