"""A label with what belongs to it, cut to the room there is by leaving out its last parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tui.draw.line import Line, Run, fit, width_of


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and its parts, the most important first; `short` says the same in less room."""

    label: str
    parts: tuple[Line, ...]
    short: tuple[Line, ...] = ()

    def drawn(self, width: int, label_width: int) -> Line:
        """One line of at most `width` cells."""
        room = width - label_width
        parts = self.parts
        if self.short and width_of(joined(parts, 10_000)) > room:
            parts = self.short
        return merged(((f"{self.label:<{label_width}}", "dim"), *joined(parts, room)))


def joined(parts: Sequence[Line], width: int, gap: int = 2) -> Line:
    """The parts side by side, as many of the first ones as fit; the first is cut if it must be."""
    drawn: Line = ()
    for part in parts:
        if not part:
            continue
        longer = (*drawn, (" " * gap, ""), *part) if drawn else part
        if width_of(longer) > width:
            return merged(drawn or fit(part, width))
        drawn = longer
    return merged(drawn)


def merged(drawn: Line) -> Line:
    """Neighbours of one role as one run: each run costs some 25 bytes of colour over SSH."""
    runs: list[Run] = []
    for text, role in drawn:
        if runs and runs[-1][1] == role:
            runs[-1] = (runs[-1][0] + text, role)
        else:
            runs.append((text, role))
    return tuple(runs)
