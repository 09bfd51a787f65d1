"""Answers that stop too early, or do not stop."""

from __future__ import annotations

import itertools
import re

from engine.data.quality.check import Hit, RowCheck, View
from engine.data.text import shown

# Words after which no English sentence ends.
_DANGLING = frozenset(
    [
        "the",
        "a",
        "an",
        "and",
        "or",
        "but",
        "if",
        "as",
        "into",
        "onto",
        "because",
        "whose",
        "than",
        "its",
        "their",
        "our",
        "your",
        "my",
        "unless",
        "whether",
        "although",
        "between",
        "during",
        "including",
        "especially",
        "such",
        "i'm",
        "we're",
        "they're",
        "he",
        "she",
    ]
)
# These end sentences now and then; after a comma or in a long text hardly ever.
_ALMOST = frozenset(
    [
        "to",
        "of",
        "for",
        "with",
        "from",
        "by",
        "at",
        "in",
        "on",
        "is",
        "are",
        "was",
        "were",
        "that",
        "which",
        "have",
        "has",
    ]
)
_WORD = re.compile(r"[^\W\d_]+$")
_ZH_DANGLING = re.compile(
    r"(?:[，、：；（“《‘]|以及|因为|但是|而且|或者|并且|例如|比如|包括|如果|虽然|由于|通过|对于|关于|为了|其中)$"
)
_HAN = re.compile("[\u4e00-\u9fff]")
_LIST_OR_CODE = re.compile(r"^\s*(?:[-*•#>|]|\d+[.)、]|[A-Za-z][.)]\s)|[{}();=<>|`]|^\s{4}", re.M)
_SENTENCE = re.compile(r"[.!?。！？][\"'”’)\]]*(?:\s|$|[^\x00-\x7f])")
_ABBREVIATION = re.compile(
    r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e|approx|No|Inc|Ltd|Fig|cf|[A-Z]|[ap]\.m)\.(?=\s)"
)
# The name under a quotation, and the tags under a post.
_SIGNED = re.compile(
    r"^\W*\s*[-–—~]+\s*[A-Z]|[.!?\"”]\s+[-–—]\s*[A-Z][\w .]{0,40}$|#\w+\s*$|^https?://"
)
_ENDS = ".!?。！？…\"”’')]）】》」』`*_~>}|:;：；"


def _cut_off(view: View) -> Hit | None:
    if not view.answers:
        return None
    index, message = view.answers[-1]
    text = message.content.rstrip()
    if len(text) < 20 or message.tool_calls:
        return None
    end = len(message.content)
    if text.count("```") % 2:
        return Hit(index, text.rindex("```"), end, "a code block that is never closed")
    last = text[-1]
    if last in _ENDS and last not in "(（":
        return None
    tail = text[-40:]
    if last in ",，、(（[{：" or (not last.isascii() and _ZH_DANGLING.search(tail)):
        return (
            None
            if _looks_like_lines(text) and last in ",[{("
            else Hit(index, max(end - 40, 0), end, shown(tail))
        )
    if last in "-–—=/\\&+" or last.isdigit():
        return None
    if _HAN.match(last):
        return _cut_chinese(text, index)
    word = _WORD.search(tail)
    if word is None or _looks_like_lines(text):
        return None
    if word.group().lower() in _DANGLING and (len(text) > 40 or "," in text):
        return Hit(index, max(end - 40, 0), end, shown(tail))
    if len(text) < 80 or not _SENTENCE.search(text[:-1]):
        return None
    # Whole sentences before, none at the end: cut in the middle of the last one.
    sentence = re.split(r"[.!?][\"'”’)]*\s", _ABBREVIATION.sub("", text))[-1]
    if len(sentence) == len(_ABBREVIATION.sub("", text)) or _SIGNED.search(sentence):
        return None
    is_almost = word.group().lower() in _ALMOST
    if (len(sentence.split()) >= 3 or is_almost) and "\n" not in sentence:
        return Hit(index, max(end - 40, 0), end, shown(tail))
    return None


def _cut_chinese(text: str, index: int) -> Hit | None:
    if len(text) < 30 or _looks_like_lines(text):
        return None
    body, _, sentence = text.rpartition("。")
    if not body or "\n" in sentence or len(sentence) < 4:
        return None
    return Hit(index, len(text) - len(sentence), len(text), shown(sentence[-30:]))


def _looks_like_lines(text: str) -> bool:
    """A list, a poem, code or a table, whose last line need not end with a full stop."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) >= 2 and (len(lines[-1]) < 60 or _LIST_OR_CODE.search(lines[-1])):
        return True
    return len(lines) == 1 and bool(re.search(r"[{}=;|<>]|^\W*\d+[.)]", lines[0]))


def _looping(view: View) -> Hit | None:
    for index, message in view.answers:
        text = message.content
        if len(text) < (60 if text.isascii() else 30):
            continue
        hit = _repeated_lines(text, index) or _repeated_tail(text, index)
        if hit is not None and not _wants_repeats(view.prompt):
            return hit
    return None


def _repeated_lines(text: str, index: int) -> Hit | None:
    """The same line or sentence four times or more in a row."""
    pieces = [piece.strip() for piece in re.split(r"\n+|(?<=[.!?。！？])\s*", text)]
    pieces = [piece for piece in pieces if piece]
    run = 1
    for before, piece in itertools.pairwise(pieces):
        run = run + 1 if piece == before and len(piece) >= 6 else 1
        if run >= 3 and len(piece) * run >= 40 and not re.fullmatch(r"[\W\d_]+", piece):
            return Hit(index, 0, len(text), shown(piece))
    return None


def _repeated_tail(text: str, index: int) -> Hit | None:
    """A text that ends in one piece of up to 120 characters over and over."""
    tail = text[-600:].rstrip()
    for probe in (tail[-12:],):
        before = tail.rfind(probe, 0, len(tail) - 1)
        size = len(tail) - len(probe) - before
        if before < 0 or not 2 <= size <= 160:
            return None
        piece = tail[-size:]
        times = 1
        while tail.endswith(piece * (times + 1)):
            times += 1
        letters = sum(character.isalpha() for character in piece)
        is_text = letters * 2 >= size and letters >= 2
        is_long = times * size >= (60 if piece.isascii() else 24)
        is_loop = times >= 15 or (is_text and times >= (4 if size > 3 else 8))
        if is_long and is_loop:
            return Hit(index, len(text) - times * size, len(text), shown(piece))
    return None


def _wants_repeats(prompt: str) -> bool:
    return bool(
        re.search(
            r"\brepeat|\btimes\b|\bloop|\bchorus|\blyrics|\bsong|\bpoem|\bchant|\bprint\b|\bpattern|"
            r"\bvillanelle|\bsequence|\bbinary|\bdigits|\bzeros|重复|歌词|循环(?:打印|输出|语句)|诗|遍|数列",
            prompt,
            re.I,
        )
    )


CHECKS = (
    RowCheck(
        "data.cut-off",
        "warn",
        "had an answer that stops in mid-sentence",
        "The model learns to stop anywhere, and not where an answer is whole.",
        "Complete these answers or remove the rows.",
        _cut_off,
    ),
    RowCheck(
        "data.looping",
        "warn",
        "had an answer that repeats itself over and over",
        "Loops are learned fast and come back in use.",
        "Remove these rows.",
        _looping,
    ),
)
