"""Keeps rows within bounds of length, script and number of turns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field, model_validator

from engine.data.acts.act import Act, Options, Outcome
from engine.data.rows import Row


class FilterOptions(Options):
    """Bounds that a row must keep; all of them, both ends included. Characters are counted over
    all turns of the role, turns without the system prompt.
    """

    min_question_chars: int | None = Field(None, ge=0)
    max_question_chars: int | None = Field(None, ge=0)
    min_answer_chars: int | None = Field(None, ge=0)
    max_answer_chars: int | None = Field(None, ge=0)
    min_turns: int | None = Field(None, ge=0)
    max_turns: int | None = Field(None, ge=0)
    scripts: tuple[str, ...] = Field((), description="of the answers, such as latin or han")

    @model_validator(mode="after")
    def _say_something(self) -> FilterOptions:
        from engine.data.quality.checks.language import SCRIPT_NAMES

        if not self.model_dump(exclude_defaults=True):
            raise ValueError("no bound was given")
        for script in self.scripts:
            if script not in SCRIPT_NAMES:
                raise ValueError(f"there is no script {script!r}; use: {', '.join(SCRIPT_NAMES)}")
        return self


def _filter(rows: Iterable[Row], options: FilterOptions) -> Iterator[Outcome]:
    for row in rows:
        reason = _outside(row, options)
        yield Outcome(row, None if reason else row, reason)


def _outside(row: Row, options: FilterOptions) -> str:
    num_turns = sum(message.role != "system" for message in row.messages)
    bounds = (
        (len(row.user_text), options.min_question_chars, options.max_question_chars, "question"),
        (len(row.answer_text), options.min_answer_chars, options.max_answer_chars, "answer"),
        (num_turns, options.min_turns, options.max_turns, "conversation"),
    )
    for size, least, most, what in bounds:
        if least is not None and size < least:
            return f"{what} too short"
        if most is not None and size > most:
            return f"{what} too long"
    if options.scripts:
        from engine.data.quality.checks.language import script_of

        script = script_of(row.answer_text)
        if script not in options.scripts:
            return f"answer in script {script or 'unknown'}"
    return ""


ACT = Act(
    "filter",
    "Keeps rows within bounds of length, number of turns and script.",
    FilterOptions,
    _filter,
)
