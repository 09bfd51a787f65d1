"""One cell of a drawing, and rows of them as runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """Text that is one cell wide per character, and its role: "" for blanks and axes."""

    text: str
    role: str


BLANK = Cell(" ", "")


def runs(cells: Iterable[Cell]) -> list[tuple[str, str]]:
    """Neighbours of one role as one (text, role) run."""
    joined: list[tuple[str, str]] = []
    for cell in cells:
        if joined and joined[-1][1] == cell.role:
            joined[-1] = (joined[-1][0] + cell.text, cell.role)
        else:
            joined.append((cell.text, cell.role))
    return joined
