"""Mends the text of rows: markup, wrong decoding, unseen characters, residue, spaces."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from pydantic import Field

from engine.data.acts.act import Act, Options, Outcome, emptied, with_texts
from engine.data.quality.check import RowCheck, View
from engine.data.quality.checks import ROW_CHECKS
from engine.data.quality.checks.encoding import (
    BIDI,
    CONTROL,
    INVISIBLE,
    JOINER,
    RIGHT_TO_LEFT,
)
from engine.data.quality.checks.markup import ENTITY, TAG
from engine.data.quality.checks.residue import CONTROL_TOKEN, FORMAT, NEXT_EXAMPLE
from engine.data.rows import Message, Row

_HIDDEN = re.compile(r"<(script|style)\b[^>]*>.*?</\1\s*>", re.I | re.S)
_BREAK = re.compile(
    r"<br\b[^>]*>|</(?:p|div|li|tr|h[1-6]|blockquote|ul|ol|table|section|article)\s*>", re.I
)
_PAGE = re.compile(r"<(?:!doctype|\?xml|html|svg)\b[^>]*>", re.I)
# A role named between two control tokens is part of the template, not of the text.
_ROLE_HEADER = re.compile(
    r"(?:<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>)\s*(?:system|user|assistant|model|tool)?"
    r"[ \t]*(?:<\|end_header_id\|>)?\n*"
)
_MARKER = "data.marker-inputs"
# As many marks as a row is looked for; more are no residue.
_MOST = 20


class FixOptions(Options):
    """Only rows that the matching check strikes are changed, so that code keeps its markup."""

    everywhere: bool = Field(False, description="all rows, whether a check strikes them or not")


class SpaceOptions(Options):
    """No options: outer blanks, blanks at line ends and runs of empty lines."""


def _fix(
    rows: Iterable[Row],
    options: FixOptions,
    checks: tuple[RowCheck, ...],
    mend: Callable[[Row], Row],
) -> Iterator[Outcome]:
    for row in rows:
        view = View(row)
        is_struck = any(check.find(view) for check in checks)
        if not is_struck and not options.everywhere:
            yield Outcome(row, row)
            continue
        after = mend(row)
        if after is row:
            yield Outcome(row, row, "could not be mended" if is_struck else "")
            continue
        reason = emptied(row, after)
        yield Outcome(row, None if reason else after, reason)


def _for(name: str, about: str, mend: Callable[[Row], Row]) -> Act:
    checks = tuple(check for check in ROW_CHECKS if name in check.acts)

    def apply(rows: Iterable[Row], options: FixOptions) -> Iterator[Outcome]:
        return _fix(rows, options, checks, mend)

    return Act(name, about, FixOptions, apply)


def _strip_html(row: Row) -> Row:
    def stripped(message: Message) -> str:
        text = message.content
        if message.role == "system" or "```" in text:
            return text  # the check leaves both alone: markup is meant there
        text = _PAGE.sub("", _HIDDEN.sub("", text)) if "<" in text else text
        text = TAG.sub("", _BREAK.sub("\n", text))
        # Entities last, so that an escaped tag stays the text that it is.
        text = ENTITY.sub(lambda found: html.unescape(found.group()), text)
        text = text.replace("\u00a0", " ")
        return text if text == message.content else re.sub(r"\n{3,}", "\n\n", text).strip()

    return with_texts(row, stripped)


def _fix_mojibake(row: Row) -> Row:
    import ftfy

    return with_texts(row, lambda message: ftfy.fix_encoding(message.content))


def _strip_control(row: Row) -> Row:
    def stripped(message: Message) -> str:
        text = message.content
        if text.isascii() and text.isprintable():
            return text
        text = JOINER.sub("", INVISIBLE.sub("", CONTROL.sub("", text)))
        if RIGHT_TO_LEFT.search(text):
            # Embeddings and isolates belong to such text; overrides only deceive.
            return re.sub("[\u202d\u202e]", "", text)
        return BIDI.sub("", text)

    return with_texts(row, stripped)


def _strip_template(row: Row) -> Row:
    row = _without_marker(row)

    def stripped(message: Message) -> str:
        text = CONTROL_TOKEN.sub("", _ROLE_HEADER.sub("", message.content))
        if message.role == "assistant":
            text = _cut_at_header(text)
        return text if text == message.content else text.strip()

    return with_texts(row, stripped)


def _cut_at_header(text: str) -> str:
    """Headers at the beginning or end go; what follows one in the middle is another example."""
    for _ in range(_MOST):
        found = FORMAT.search(text)
        if found is None:
            break
        before, after = text[: found.start()], text[found.end() :]
        text = before if before.strip() else after.lstrip(" :\uff1a\n")
    found = NEXT_EXAMPLE.search(text)
    return text[: found.start()] if found and text[: found.start()].strip() else text


def _without_marker(row: Row) -> Row:
    """A marker such as <noinput> is cut where its check saw it."""
    check = next(check for check in ROW_CHECKS if check.id == _MARKER)
    hit = check.find(View(row))
    if hit is None or hit.turn < 0 or hit.end <= hit.start:
        return row
    messages = list(row.messages)
    text = messages[hit.turn].content
    kept = (text[: hit.start] + text[hit.end :]).strip()
    messages[hit.turn] = replace(messages[hit.turn], content=kept)
    return replace(row, messages=tuple(messages))


def _strip_space(rows: Iterable[Row], options: SpaceOptions) -> Iterator[Outcome]:
    for row in rows:
        after = with_texts(row, lambda message: _trimmed(message.content))
        yield Outcome(row, after)


def _trimmed(text: str) -> str:
    # Two blanks at a line's end are a line break in Markdown.
    text = re.sub(r"(?P<end>[ \t\r]*)\n", lambda m: m.group() if m["end"] == "  " else "\n", text)
    return re.sub(r"\n{4,}", "\n\n\n", text).strip()


ACTS = (
    _for("strip-html", "Removes HTML tags and turns entities into characters.", _strip_html),
    _for("fix-mojibake", "Decodes text again that was decoded wrongly once.", _fix_mojibake),
    _for(
        "strip-control",
        "Removes control, invisible and direction-turning characters.",
        _strip_control,
    ),
    _for(
        "strip-template",
        "Removes control tokens and markers; cuts answers at headers of other formats.",
        _strip_template,
    ),
    Act(
        "strip-space",
        "Removes outer blanks, blanks at line ends and runs of empty lines.",
        SpaceOptions,
        _strip_space,
    ),
)
