"""Rows rendered and encoded, with the tokens that are trained found in each."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any

from engine.data.rows import Message, Row
from engine.errors import TailfinError
from engine.worker.render import render_rows
from engine.worker.spans import Rendered
from engine.worker.template import Template

_BATCH = 1000
# An end token may be followed by a line break of one or two tokens (ChatML, Metaspace).
_TAIL = 4
_start, _end = itemgetter(0), itemgetter(1)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A row as the tokenizer gave it, not cut yet.

    `encoding` is a `tokenizers.Encoding` of `text`. `answers` are the tokens [first, behind) of
    each answer with its end token, in order; a token belongs to one when any of its characters
    does. `ends` holds for each answer the index of its first end token, -1 where it has none;
    `num_merged` counts answers whose first token also holds prompt text; `num_bos` counts begin
    tokens in front; `num_dropped` counts turns whose text is not in the rendered one.
    """

    row: Row
    text: str
    encoding: Any
    answers: tuple[tuple[int, int], ...]
    ends: tuple[int, ...]
    num_merged: int
    num_bos: int
    num_dropped: int


def encode_rows(
    rows: Iterable[Row], tokenizer: Any, template: Template, loss_on: str
) -> Iterator[Encoded]:
    """Encode rows in order; a thread encodes one batch while the next is rendered.

    Raises TailfinError naming the row and the template where its answers cannot be told from its
    prompts, or where the template refuses it; and for a tokenizer without character positions.
    """
    if not tokenizer.is_fast:
        raise TailfinError(
            "The tokenizer of this model gives no character positions (it has no tokenizer.json), "
            "so answers cannot be told from prompts.",
            "Convert it to a fast tokenizer, or use a model that has one.",
            where="model.path",
        )
    backend = tokenizer.backend_tokenizer
    # A tokenizer.json may ask for both; rows are cut and padded later, and not by it.
    backend.no_truncation()
    backend.no_padding()
    stops = set(template.stop_ids)
    bos = tokenizer.bos_token_id
    waiting: tuple[list[Row], list[Rendered], Future[list[Any]]] | None = None
    remaining = iter(rows)
    with ThreadPoolExecutor(1, thread_name_prefix="encode") as pool:
        while batch := list(islice(remaining, _BATCH)):
            rendered = _rendered(batch, tokenizer, template, loss_on)
            # The text holds its special tokens already; adding them would double the first one.
            texts = [one.text for one in rendered]
            future = pool.submit(backend.encode_batch, texts, add_special_tokens=False)
            if waiting is not None:
                yield from _told(*waiting, stops, bos)
            waiting = batch, rendered, future
        if waiting is not None:
            yield from _told(*waiting, stops, bos)


def _rendered(
    rows: Sequence[Row], tokenizer: Any, template: Template, loss_on: str
) -> list[Rendered]:
    rendered = render_rows(rows, tokenizer, template, loss_on)
    if not template.append_eos:
        return rendered
    eos = str(tokenizer.eos_token)
    return [
        _with_eos(one, eos) if row.messages[-1].role == "assistant" else one
        for row, one in zip(rows, rendered, strict=True)
    ]


def _with_eos(rendered: Rendered, eos: str) -> Rendered:
    """The end token put behind the last answer, where serving would expect it."""
    start, end = rendered.spans[-1]
    text = rendered.text[:end] + eos + rendered.text[end:]
    return Rendered(text, [*rendered.spans[:-1], (start, end + len(eos))])


def _told(
    rows: Sequence[Row],
    rendered: Sequence[Rendered],
    encodings: Future[list[Any]],
    stops: set[int],
    bos: int | None,
) -> Iterator[Encoded]:
    for row, one, encoding in zip(rows, rendered, encodings.result(), strict=True):
        ids = encoding.ids
        answers, ends, num_merged = [], [], 0
        for start, end in one.spans:
            first, behind = _tokens_within(encoding, start, end)
            if first >= behind:
                continue
            answers.append((first, behind))
            num_merged += encoding.token_to_chars(first)[0] < start
            tail = max(first, behind - _TAIL)
            ends.append(next((i for i in range(tail, behind) if ids[i] in stops), -1))
        num_bos = next((i for i, token in enumerate(ids) if token != bos), len(ids))
        yield Encoded(
            row=row,
            text=one.text,
            encoding=encoding,
            answers=tuple(answers),
            ends=tuple(ends),
            num_merged=num_merged,
            num_bos=num_bos,
            num_dropped=sum(_is_dropped(message, one.text) for message in row.messages),
        )


def _is_dropped(message: Message, text: str) -> bool:
    """Whether a turn's words are missing; those of tools are looked for where they are rendered."""
    return message.role != "tool" and message.content.strip() not in text


def _tokens_within(encoding: Any, start: int, end: int) -> tuple[int, int]:
    """Tokens [first, behind) that have a character of the text's [start, end)."""
    if start >= end:
        return 0, 0
    first, last = encoding.char_to_token(start), encoding.char_to_token(end - 1)
    if first is None or last is None:
        # A normalizer dropped the character at an end: the nearest ones that are left.
        offsets = encoding.offsets
        first = bisect.bisect_right(offsets, start, key=_end)
        return first, bisect.bisect_left(offsets, end, key=_start)
    behind, length = last + 1, len(encoding)
    # The bytes of one character may be several tokens, all with its position.
    while behind < length and encoding.token_to_chars(behind)[0] < end:
        behind += 1
    return first, behind
