"""Acts carried out one after the other, with a count of what each did."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from engine.data.acts.act import Outcome, Planned
from engine.data.rows import Row
from engine.data.text import inert

# Rows kept of each act to be shown.
_EXAMPLES = 3
_LINE = 120
_LINES = 16


@dataclass(slots=True)
class Told:
    """What one act did: rows it was given, dropped, changed, and struck but could not mend.

    `reasons` counts why rows were dropped; `examples` are a few of those it dropped or changed.
    """

    planned: Planned
    num_given: int = 0
    num_dropped: int = 0
    num_changed: int = 0
    num_unmended: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[Outcome] = field(default_factory=list)

    def note(self, outcome: Outcome) -> None:
        self.num_given += 1
        if outcome.after is None:
            self.num_dropped += 1
            # Reasons that name a row would be as many as rows.
            self.reasons[outcome.reason.rstrip("0123456789").rstrip()] += 1
        elif outcome.is_changed:
            self.num_changed += 1
        elif outcome.reason:
            self.num_unmended += 1
        acted = outcome.after is not outcome.before
        if acted and len(self.examples) < _EXAMPLES:
            self.examples.append(outcome)


def run_acts(rows: Iterable[Row], acts: Sequence[Planned]) -> tuple[Iterator[Row], list[Told]]:
    """The rows that are left, as they are taken, and what is told of each act once all were."""
    told = [Told(planned) for planned in acts]
    left: Iterator[Row] = iter(rows)
    for one in told:
        left = _carried_out(left, one)
    return left, told


def _carried_out(rows: Iterator[Row], told: Told) -> Iterator[Row]:
    planned = told.planned
    for outcome in planned.act.apply(rows, planned.options):
        told.note(outcome)
        if outcome.after is not None:
            yield outcome.after


def diff_lines(outcome: Outcome) -> list[str]:
    """A row before and after as lines of a unified diff, harmless to print; long ones are cut."""
    before = _lines(outcome.before)
    after = [] if outcome.after is None else _lines(outcome.after)
    lines = list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]
    cut = [line for line in lines if not line.startswith("@@")]
    rest = len(cut) - _LINES
    return [*cut[:_LINES], *([f" ... {rest} lines more"] if rest > 0 else [])]


def _lines(row: Row) -> list[str]:
    sides = [(f"{message.role}: ", message) for message in row.messages]
    sides += [(f"rejected {message.role}: ", message) for message in row.rejected]
    lines = []
    for label, message in sides:
        for number, line in enumerate(message.content.split("\n")):
            lines.append(_shown((label if not number else "  ") + line))
        if message.tool_calls:
            lines.append(_shown(f"  calls {message.tool_calls}"))
    return lines


def _shown(line: str) -> str:
    line = inert(line)
    return line if len(line) <= _LINE else line[: _LINE - 3] + "..."
