"""Texts as short rows of numbers, so that a million of them can be compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from engine.data.rows import Row
from engine.data.text import fold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NUM_PERM = 128
# The answer by itself: the same long input with another task is no copy.
NUM_PERM_SAID = 32
# 32 bands of 4: a pair that shares 70 % of its words is a candidate with a chance of 0.9999.
BAND = 4
_SEED = 7
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
# Rows of fewer different words differ by too few of them to tell a copy from a new question.
FEWEST = 12


def digest(text: str) -> int:
    """64 bits that stand for a text."""
    return int.from_bytes(
        blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little"
    )


def words_of(text: str) -> list[str]:
    """Words in lower case; pieces of three characters where there are no spaces between words."""
    folded = text.casefold()
    if folded.isascii() or len(_CJK.findall(folded[:400])) * 3 < min(len(folded), 400):
        return _WORD.findall(folded)
    plain = "".join(_WORD.findall(folded))
    return [plain[start : start + 3] for start in range(max(len(plain) - 2, 1))]


def tokens_of(row: Row) -> list[str]:
    """The different words of question and answer, told apart."""
    asked = {f"q{word}" for word in words_of(row.user_text)}
    said = {f"a{word}" for word in words_of(row.answer_text)}
    return [*asked, *said]


def signatures(sets: Sequence[Sequence[str]]) -> NDArray[np.uint32]:
    """MinHash signatures [rows, 160]: 128 over all tokens of a row, 32 over those of its answer."""
    import numpy as np
    from rensa import RMinHash

    if not sets:
        return np.zeros((0, NUM_PERM + NUM_PERM_SAID), dtype=np.uint32)
    said = [[token for token in tokens if token[0] == "a"] for tokens in sets]
    whole = RMinHash.digest_matrix_from_token_sets(sets, NUM_PERM, _SEED)
    answers = RMinHash.digest_matrix_from_token_sets(said, NUM_PERM_SAID, _SEED)
    return np.hstack([np.asarray(part.to_rows(), dtype=np.uint32) for part in (whole, answers)])


def facts(row: Row) -> tuple[int, int, int]:
    """Digests of a row's question (system prompt included), its answer, and its numbers."""
    system = "".join(m.content for m in row.messages if m.role == "system")
    asked, said = row.user_text, row.answer_text
    numbers = " ".join(_NUMBER.findall(f"{asked} {said}"))
    return digest(fold(f"{system}\n{asked}")), digest(fold(said)), digest(numbers)
