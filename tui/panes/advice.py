"""Advice on a draft: what would suit it where nobody chose, and what would lower its memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.errors import TailfinError
from tui.draft import Draft
from tui.draw.line import Line, line
from tui.panes.prediction import memory_of, suggestions_for, ways_out
from tui.widgets.memory_bar import gib

if TYPE_CHECKING:
    from engine.memory.remedies import Remedy
    from engine.suggest import Suggestion

# Keys of the fixes in their order: digits, and letters where a digit would be typed over a number.
FIX_KEYS = ("123", "fgh")


@dataclass(frozen=True, slots=True)
class Advice:
    """Values for what nobody chose, and the ways out of too much memory with those laid in."""

    suggestions: tuple[Suggestion, ...]
    remedies: Sequence[Remedy]


@dataclass(frozen=True, slots=True)
class Question:
    """A draft there should be advice on; its suggestions stay while somebody types a value."""

    draft: Draft
    keeps_suggestions: bool

    def answer(self) -> Advice:
        """Makes many estimates, up to 0.1 s; raises TailfinError for a draft with faults."""
        draft = self.draft
        if not self.keeps_suggestions:
            made = suggestions_for(draft, draft.resolve(placeholders=True).spec)
            draft = replace(draft, suggestions=made)
        spec = draft.resolve(placeholders=True).spec
        need = memory_of(draft, spec)
        if need is None or isinstance(need, TailfinError):
            return Advice(draft.suggestions, ())
        return Advice(draft.suggestions, ways_out(draft, spec, need))


def remedy_line(remedy: Remedy, key: str) -> Line:
    """A way out as a row: its key, what it brings, what it costs, the change."""
    costs = "" if remedy.cost == "none" else f", costs {remedy.cost}"
    enough = "fits" if remedy.fits else "not enough alone"
    brings = f"{gib(remedy.peak_gib):>5} GiB, {enough}{costs}: "
    return line((f"{key} ", "key"), (brings, "dim"), remedy.says)
