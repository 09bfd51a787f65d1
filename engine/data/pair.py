"""Preference pairs: one prompt with a better and a worse answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from engine.data.faults import RowFault
from engine.data.rows import Message
from engine.data.turns import check_turns, read_turns
from engine.data.values import parse_cell, present, text_of

# Anthropic's written-out dialogues: "\n\nHuman: ...\n\nAssistant: ..."
_SPOKEN = re.compile(r"(?:\A|\n\n)(Human|Assistant): ?")


def read_pair(
    value: Mapping[str, object], parts: Mapping[str, str]
) -> tuple[list[Message], list[Message]]:
    """The conversation with the better answer, and the turns of the worse one.

    The prompt is a field of its own, as text or turns, or what both answers' conversations begin
    with. Raises RowFault, also where the two do not begin alike.
    """
    better, worse = parts["completion"], parts["rejected"]
    prompt = _turns_or_none(value.get(parts["prompt"]), parts["prompt"], "user")
    chosen = _answer(value, better, has_prompt=prompt is not None)
    rejected = _answer(value, worse, has_prompt=prompt is not None)
    # Some sets give a prompt and repeat it in front of both answers.
    if prompt and not all(side[: len(prompt)] == prompt for side in (chosen, rejected)):
        return [*prompt, *chosen], rejected
    shared = _shared(chosen, rejected)
    if shared == 0:
        raise RowFault("pair-differs", worse, "the two conversations begin differently")
    _check_rejected(chosen[:shared], rejected[shared:], worse)
    return chosen, rejected[shared:]


def _answer(value: Mapping[str, object], field: str, *, has_prompt: bool) -> list[Message]:
    said = parse_cell(present(value, field))
    if isinstance(said, list):
        return read_turns(said, field)
    text = text_of(said, field)
    if has_prompt:
        return [Message("assistant", text)]
    spoken = _spoken(text)
    if not spoken:
        raise RowFault("missing-field", "prompt")
    return spoken


def _turns_or_none(value: object, field: str, role: str) -> list[Message] | None:
    if value is None:
        return None
    said = parse_cell(value)
    if isinstance(said, list):
        return read_turns(said, field)
    text = text_of(said, field)
    return _spoken(text) or [Message("user", text)]


def _spoken(text: str) -> list[Message]:
    """The turns of a written-out dialogue; empty for any other text."""
    pieces = _SPOKEN.split(text)
    if len(pieces) < 3 or pieces[0].strip():
        return []
    turns = zip(pieces[1::2], pieces[2::2], strict=True)
    made = [Message("user" if who == "Human" else "assistant", said.strip()) for who, said in turns]
    if made and made[-1].role == "assistant" and not made[-1].content:
        made.pop()  # a prompt that ends where the answer is to begin
    return made


def _shared(chosen: Sequence[Message], rejected: Sequence[Message]) -> int:
    """How many turns both begin with, their last answers aside."""
    count = 0
    most = min(len(chosen), len(rejected)) - 1
    while count < most and chosen[count] == rejected[count]:
        count += 1
    return count


def _check_rejected(shared: Sequence[Message], rejected: Sequence[Message], field: str) -> None:
    check_turns([*shared, *rejected], field, [])
