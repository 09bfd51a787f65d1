"""The shape of a check: what it looks for in one row, and what a person reads about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from engine.data.rows import Message, Row
from engine.findings import Severity


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a check struck in a row.

    `turn` indexes `Row.messages`, -1 stands for the row as a whole; `start` and `end` are character
    offsets in that turn's content (0, 0: all of it); `seen` is what stood there, in a few words.
    """

    turn: int = -1
    start: int = 0
    end: int = 0
    seen: str = ""


class View:
    """A row with the texts that several checks want, each made once and only when asked for."""

    def __init__(self, row: Row) -> None:
        self.row = row

    @cached_property
    def answers(self) -> tuple[tuple[int, Message], ...]:
        """Assistant turns with their index."""
        return tuple((i, m) for i, m in enumerate(self.row.messages) if m.role == "assistant")

    @cached_property
    def prompts(self) -> tuple[tuple[int, Message], ...]:
        """User turns with their index."""
        return tuple((i, m) for i, m in enumerate(self.row.messages) if m.role == "user")

    @cached_property
    def prompt(self) -> str:
        """All user turns, a line break between them."""
        return self.row.user_text

    @cached_property
    def answer(self) -> str:
        """All assistant turns, a line break between them."""
        return self.row.answer_text

    @cached_property
    def lowered(self) -> tuple[str, ...]:
        """The text of every turn in lower case, apostrophes straight."""
        return tuple(lowered(message.content) for message in self.row.messages)

    @cached_property
    def is_ascii(self) -> bool:
        return self.prompt.isascii() and self.answer.isascii()

    @cached_property
    def low_answers(self) -> tuple[tuple[int, str], ...]:
        """Index and text of assistant turns in lower case, apostrophes straight."""
        return tuple((i, self.lowered[i]) for i, _ in self.answers)

    @cached_property
    def low_prompts(self) -> tuple[tuple[int, str], ...]:
        """Index and text of user turns in lower case, apostrophes straight."""
        return tuple((i, self.lowered[i]) for i, _ in self.prompts)

    @cached_property
    def asked(self) -> str:
        """All that was said to the model, system turns too, in lower case."""
        messages = self.row.messages
        return lowered("\n".join(m.content for m in messages if m.role in ("system", "user")))


def lowered(text: str) -> str:
    """The text in lower case, curly apostrophes made straight, offsets as in the text."""
    low = text.lower()
    if text.isascii():
        return low
    if len(low) != len(text):  # a few capitals, as the Turkish dotted I, become two characters
        low = "".join(c if len(c.lower()) != 1 else c.lower() for c in text)
    return low.replace("\u2019", "'")


def holds_any(text: str, words: Iterable[str]) -> bool:
    """Whether one of the words is in a text; many times as fast as a pattern of them all."""
    for word in words:  # noqa: SIM110 -- a generator here would cost more than the search
        if word in text:
            return True
    return False


@dataclass(frozen=True, slots=True)
class RowCheck:
    """A check that needs nothing but the row.

    `severity` is that of a finding it makes; `text` continues "12 rows ..." in the past tense, as
    in "12 rows had an answer that stops in mid-sentence"; `why` says what training on such rows
    does, `fix` what to do. `acts` names the acts that can mend it (drop, strip-html, ...).
    """

    id: str
    severity: Severity
    text: str
    why: str
    fix: str
    find: Callable[[View], Hit | None]
    acts: tuple[str, ...] = ("drop",)
