"""Held-out rows that training has seen: their loss says nothing about new questions."""

from __future__ import annotations

import os
from collections.abc import Sequence

from engine.data.rows import Row
from engine.data.text import counted, fold
from engine.errors import TailfinError
from engine.findings import Finding


def refuse_same_file(train_path: str, held_out_path: str) -> None:
    """Raise where both names lead to one file."""
    try:
        is_same = bool(held_out_path) and os.path.samefile(train_path, held_out_path)
    except OSError:  # one is missing: its reader says so
        return
    if is_same:
        raise TailfinError(
            f"The held-out file {held_out_path} is the training file itself: its loss would be a "
            "training loss under another name.",
            "Give other rows, or leave it empty to split some off.",
            where=held_out_path,
            error_id="data.eval-is-train",
        )


def leaked(train: Sequence[Row], held_out: Sequence[Row], path: str) -> list[Finding]:
    """A warning where held-out questions stand among the training rows too.

    Questions are compared after folding case, spaces and punctuation, as the split does it.
    """
    asked = {fold(row.user_text) for row in train}
    seen = sum(fold(row.user_text) in asked for row in held_out)
    if not seen:
        return []
    message = (
        f"{seen:,} of {counted(len(held_out), 'held-out row')} asked a question of the training "
        "rows: held-out loss will look better than it is."
    )
    fix = "Remove these rows from one of the two files, or leave data.eval_path empty."
    return [Finding("data.eval-leak", "warn", message, fix, path)]
