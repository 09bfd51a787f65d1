"""Reads the word lists of the planted set and fills their slots."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

_SLOT = re.compile("\u2039([^\u2039\u203a]*)\u203a")


@cache
def sections(name: str) -> dict[str, tuple[str, ...]]:
    """Heading to its lines, of words/<name>.txt."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (Path(__file__).parent / "words" / f"{name}.txt").read_text("utf-8").splitlines():
        # "## answer" and a lone "##" are wordings; headings have a lower-case word or a topic.
        if line.startswith("## ") and line not in ("## Answer", "## 答案"):
            lines = found.setdefault(line[3:], [])
        elif line:
            lines.append(line)
    return {heading: tuple(said) for heading, said in found.items()}


def fill(rng: random.Random, text: str, **values: str) -> str:
    """Fill slots: a named value, or one of the choices between bars."""

    def one(slot: re.Match[str]) -> str:
        name = slot[1]
        return rng.choice(name.split("|")) if "|" in name else values[name]

    return _SLOT.sub(one, text).replace("\\n", "\n")


def code(rng: random.Random, num: int = 8) -> str:
    letters = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(rng.choices(letters, k=num))
