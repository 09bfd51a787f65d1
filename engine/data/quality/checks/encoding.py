"""Characters that are not what was written: wrong decoding, invisible and steering ones."""

from __future__ import annotations

import re

from engine.data.quality.check import Hit, RowCheck, View
from engine.data.text import shown

# UTF-8 read as Latin-1 or Windows-1252, and as GBK; the sign for bytes that were lost.
_SUSPECT = re.compile(
    "[\u00c2\u00c3\u00c5\u00e2\u00e3\u00e5\u00e6\u00e7\u00e8\u00e9\u00ef\u00f0][\u0080-\u00bf\u0152-\u0178\u02c6-\u02dc\u2013-\u203a\u20ac\u2122]"
    "|\ufffd|锟斤拷|锛|銆|鐨|鈥|浣犲|\u00e2\u20ac"
)
_GBK = re.compile("锟斤拷|[锛銆鈥][\u4e00-\u9fff\u3000-\u30ff]?|鐨勶|浣犲ソ")
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u061c]")
INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad\u180e\u2061-\u2064\U000e0000-\U000e007f]")
# Joiners belong to emoji, and to Persian, Arabic and Indic scripts.
JOINER = re.compile("(?<=[ -~\u4e00-\u9fff])[\u200c\u200d](?=[ -~\u4e00-\u9fff])")
RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff]")


def _mojibake(view: View) -> Hit | None:
    if view.is_ascii:
        return None
    for index, message in enumerate(view.row.messages):
        text = message.content
        if text.isascii():
            continue
        found = _SUSPECT.search(text)
        if found is None:
            continue
        if "\ufffd" in found.group() or _GBK.search(text):
            return Hit(
                index, *found.span(), shown(text[max(0, found.start() - 10) : found.end() + 10])
            )
        from ftfy.badness import is_bad

        around = text[max(0, found.start() - 20) : found.end() + 20]
        if is_bad(around):
            return Hit(index, *found.span(), shown(around))
    return None


def _control(view: View) -> Hit | None:
    for index, message in enumerate(view.row.messages):
        if message.content.isprintable():
            continue
        found = CONTROL.search(message.content)
        if found:
            return Hit(index, *found.span(), shown(found.group()))
    return None


def _invisible(view: View) -> Hit | None:
    if view.is_ascii:
        return None
    for index, message in enumerate(view.row.messages):
        text = message.content
        if text.isascii() or (text.isprintable() and "\u00ad" not in text):
            continue
        found = INVISIBLE.search(text) or JOINER.search(text)
        if found:
            return Hit(index, *found.span(), shown(found.group()))
    return None


def _bidi(view: View) -> Hit | None:
    if view.is_ascii:
        return None
    for index, message in enumerate(view.row.messages):
        text = message.content
        if text.isprintable():
            continue
        found = BIDI.search(text)
        if found and not (RIGHT_TO_LEFT.search(text) and found.group() not in "\u202d\u202e"):
            return Hit(index, *found.span(), shown(found.group()))
    return None


CHECKS = (
    RowCheck(
        "data.mojibake",
        "warn",
        "had text that was decoded wrongly once (such as \u00c3\u00a9 for \u00e9)",
        "The model learns garbled characters as words.",
        "Read the source as UTF-8 and export it again.",
        _mojibake,
        ("fix-mojibake", "drop"),
    ),
    RowCheck(
        "data.control-characters",
        "warn",
        "had control characters in the text",
        "They come from terminals, PDF files and broken exports, and are trained as words.",
        "Remove them.",
        _control,
        ("strip-control", "drop"),
    ),
    RowCheck(
        "data.invisible-characters",
        "warn",
        "had invisible characters inside words (zero-width spaces, soft hyphens)",
        "Words with them are other words to a tokenizer.",
        "Remove them.",
        _invisible,
        ("strip-control", "drop"),
    ),
    RowCheck(
        "data.bidi-controls",
        "warn",
        "had characters that turn the direction of text",
        "What is shown is not what is trained; they can hide text from a reader.",
        "Remove them.",
        _bidi,
        ("strip-control", "drop"),
    ),
)
