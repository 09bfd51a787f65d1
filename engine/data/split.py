"""Rows split into training and held-out ones."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from engine.data.rows import Row
from engine.data.text import fold


def split_rows(
    rows: Sequence[Row], *, fraction: float, max_rows: int, seed: int
) -> tuple[list[Row], list[Row]]:
    """Training rows and held-out rows, each in file order.

    About `fraction` of the rows is held out, at most `max_rows` (0: no limit), at least one where
    two different questions exist. Rows whose user turns are equal after folding case, spaces and
    punctuation stay on one side, so no held-out question was seen in training. Which ones are
    held out depends on the seed and the questions only, not on their order in the file.
    """
    groups: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(fold(row.user_text), []).append(index)
    wanted = round(len(rows) * fraction)
    if max_rows:
        wanted = min(wanted, max_rows)
    if fraction > 0 and len(groups) > 1:
        wanted = max(wanted, 1)
    shuffled = sorted(groups.items(), key=lambda item: _rank(item[0], seed))
    held: set[int] = set()
    for _, group in shuffled:
        if len(held) + len(group) <= wanted:
            held.update(group)
    if wanted and not held and len(groups) > 1:
        # Every question occurs more often than rows are wanted: one of the rarest has to do.
        smallest = min(shuffled, key=lambda item: len(item[1]))
        held.update(smallest[1])
    train = [row for index, row in enumerate(rows) if index not in held]
    return train, [rows[index] for index in sorted(held)]


def _rank(folded: str, seed: int) -> bytes:
    return blake2b(folded.encode(), digest_size=16, key=seed.to_bytes(8, "big")).digest()
