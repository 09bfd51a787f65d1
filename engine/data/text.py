"""Text from files, made safe to print and easy to compare."""

from __future__ import annotations

import json
import re
import unicodedata

_NOT_WORD = re.compile(r"[\W_]+")


def shown(text: str, limit: int = 60) -> str:
    """The text in quotes on one line, cut at `limit` characters, terminal escapes made visible."""
    cut = text if len(text) <= limit else text[: limit - 3] + "..."
    return repr(cut)


def inert(text: str) -> str:
    """The text with everything unprintable written as an escape; one character per tab."""
    return "".join(c if c.isprintable() else " " if c == "\t" else _escape(c) for c in text)


def toml_string(text: str) -> str:
    """The text as a TOML string in double quotes."""
    if not is_encodable(text):
        return json.dumps(text)  # no TOML can hold half a surrogate pair; this can be shown
    # ensure_ascii would write one emoji as two surrogate escapes, which TOML does not know.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def counted(num: int, noun: str) -> str:
    """`1 row`, `2 rows`, `1,000 rows`."""
    return f"{num} {noun}" if num == 1 else f"{num:,} {noun}s"


def fold(text: str) -> str:
    """The text without case, spaces and punctuation, so that trivial variants are equal.

    Text that has nothing else (emoji, bare punctuation) is only stripped.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _NOT_WORD.sub("", text.casefold()) or text.strip()


def is_encodable(text: str) -> bool:
    """False where half a surrogate pair makes the text impossible to store or tokenise."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _escape(character: str) -> str:
    return repr(character)[1:-1]
