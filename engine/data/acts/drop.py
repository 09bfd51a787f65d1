"""Drops rows that checks strike, or that a person names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field, field_validator, model_validator

from engine.data.acts.act import Act, Options, Outcome
from engine.data.quality.check import View
from engine.data.quality.checks import ROW_CHECKS
from engine.data.rows import Row
from engine.data.text import shown

_CHECKS = {check.id: check for check in ROW_CHECKS}
# Said by the report of the set as a whole; it needs the other rows to be found.
_CONTRADICTIONS = "data.contradictions"


class DropOptions(Options):
    """Which rows: those struck by `checks`, and those numbered `records` (from 0) in the source."""

    checks: tuple[str, ...] = Field((), description="ids of findings, such as data.refusals")
    records: tuple[int, ...] = Field((), description="numbers of records, counted from 0")

    @field_validator("checks")
    @classmethod
    def _are_known(cls, checks: tuple[str, ...]) -> tuple[str, ...]:
        for check in checks:
            if check not in _CHECKS and check != _CONTRADICTIONS:
                known = ", ".join(sorted([*_CHECKS, _CONTRADICTIONS]))
                raise ValueError(f"there is no check {shown(check)}; there are: {known}")
        return checks

    @model_validator(mode="after")
    def _say_something(self) -> DropOptions:
        if not self.checks and not self.records:
            raise ValueError("neither checks nor records were named")
        return self


def _drop(rows: Iterable[Row], options: DropOptions) -> Iterator[Outcome]:
    checks = [_CHECKS[name] for name in options.checks if name in _CHECKS]
    named = set(options.records)
    if _CONTRADICTIONS in options.checks:
        rows = list(rows)
        contradicting = _contradicting(rows)
    else:
        contradicting = set()
    for row in rows:
        view = View(row)
        reason = "named by its number" if row.record in named else ""
        if not reason and row.record in contradicting:
            reason = _CONTRADICTIONS
        if not reason:
            reason = next((check.id for check in checks if check.find(view)), "")
        yield Outcome(row, None if reason else row, reason)


def _contradicting(rows: list[Row]) -> set[int]:
    """Numbers of rows whose question another row answers differently; all of them, as reported."""
    from engine.data.quality.compared import compare_rows
    from engine.data.quality.duplicates import find_repeats

    repeats = find_repeats(*compare_rows(rows))
    return {rows[index].record for index in repeats.contradicting.tolist()}


ACT = Act(
    "drop",
    "Drops rows that the named checks strike, or that are named by number.",
    DropOptions,
    _drop,
)
