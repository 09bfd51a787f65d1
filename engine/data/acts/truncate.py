"""Cuts long turns at the end of a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pydantic import Field, model_validator

from engine.data.acts.act import Act, Options, Outcome, with_texts
from engine.data.rows import Message, Row

# A stop with closing quotes and a blank after it, a stop of Chinese or Japanese, or the end of a
# paragraph that announces nothing.
_END = re.compile(
    r"[.!?\u2026]+[\"')\]*\u201d\u2019]*(?=\s|\Z)"
    r"|[\u3002\uff01\uff1f]+[\u300d\u300f\u201d\u2019\uff09]*"
    r"|(?<=[^\s:\uff1a,\uff0c])(?=\n\s*\n)"
)
_FENCE = "```"


class TruncateOptions(Options):
    """The most characters that a turn may have; it then ends where a sentence of it ends."""

    answer_chars: int | None = Field(None, ge=1)
    question_chars: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _say_something(self) -> TruncateOptions:
        if self.answer_chars is None and self.question_chars is None:
            raise ValueError("neither answer_chars nor question_chars was given")
        return self


def shortened(text: str, limit: int) -> str:
    """The longest beginning of at most `limit` characters that ends with a sentence.

    Empty where there is none. No code block is left open.
    """
    if len(text) <= limit:
        return text
    # One character more tells a stop at the limit from a stop inside a number or an address.
    ends = [found.end() for found in _END.finditer(text[: limit + 1]) if found.end() <= limit]
    for end in reversed(ends):
        if text.count(_FENCE, 0, end) % 2 == 0:
            return text[:end].rstrip()
    return ""


def _truncate(rows: Iterable[Row], options: TruncateOptions) -> Iterator[Outcome]:
    limits = {"assistant": options.answer_chars, "user": options.question_chars}

    def cut(message: Message) -> str:
        limit = limits.get(message.role)
        return message.content if limit is None else shortened(message.content, limit)

    for row in rows:
        after = with_texts(row, cut)
        if any(
            was.content and not now.content
            for was, now in zip(
                (*row.messages, *row.rejected), (*after.messages, *after.rejected), strict=True
            )
        ):
            # A turn that stops in mid-sentence would teach the model to do so.
            yield Outcome(row, None, "no sentence ends within the limit")
        else:
            yield Outcome(row, after)


ACT = Act(
    "truncate",
    "Cuts turns at the last end of a sentence within a limit; drops rows that have none there.",
    TruncateOptions,
    _truncate,
)
