"""Rows as the model sees them, token by token, asked of a worker because it needs a tokenizer."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.data.text import inert
from engine.data.token_report import ask_worker
from engine.spec import Spec

State = Literal["trained", "ignored", "cut"]


@dataclass(frozen=True, slots=True)
class TokenPiece:
    """One token: its text as in the rendered row, empty for further bytes of one character."""

    text: str
    id: int
    state: State
    is_special: bool


@dataclass(frozen=True, slots=True)
class RowTokens:
    """One row after template, tokenizer and truncation, every token with what becomes of it.

    `line` and `record` as in engine.data.rows.Row. `num_trained` counts trained tokens that are
    not cut, `num_cut` all that are; `end` tells of the last answer's end token: trained, cut or
    none. `num_bos` counts begin tokens in front, `num_merged` answers whose first token holds
    prompt text, `num_dropped` turns the template left out. `is_served_alike` is False where the
    prompt as it is served is not the beginning of the row as it is trained.
    """

    record: int
    line: int
    num_tokens: int
    num_trained: int
    num_cut: int
    end: Literal["trained", "cut", "none"]
    num_bos: int
    num_merged: int
    num_dropped: int
    is_served_alike: bool
    pieces: tuple[TokenPiece, ...]


@dataclass(frozen=True, slots=True)
class TokenView:
    """Counts over the whole set, and the rows that were asked for; lengths in tokens."""

    template: str
    max_length: int
    num_rows: int
    num_tokens: int
    num_trained: int
    num_cut_rows: int
    num_untrained: int
    num_endless: int
    rows: tuple[RowTokens, ...]


def view_tokens(
    spec: Spec,
    *,
    lines: Sequence[int] = (),
    worst: int = 0,
    started: Callable[[subprocess.Popen[str]], None] | None = None,
) -> TokenView:
    """The rows at these lines, or the `worst` ones, after the spec's template and truncation.

    Lines are those of the file, from 1; in a container without lines they count records from 1.
    Raises TailfinError with the worker's own words, or where a line holds no usable row.
    """
    wish = json.dumps({"lines": list(lines), "worst": worst})
    return ask_worker(TokenView, "token-view", spec.model_dump_json(), wish, started=started)


def remarks(row: RowTokens) -> list[str]:
    """What is wrong with a row besides what its tokens show, as sentences."""
    told = (
        (row.num_bos > 1, f"{row.num_bos} begin tokens stand in front: one too many."),
        (row.num_merged > 0, "The first token of an answer also holds prompt text."),
        (row.num_dropped > 0, f"The template leaves out the text of {row.num_dropped} turns."),
        (not row.is_served_alike, "Served, the prompt differs from how the row is trained."),
    )
    return [says for is_so, says in told if is_so]


def token_lines(
    pieces: Sequence[TokenPiece], width: int, measure: Callable[[str], int], *, ids: bool = False
) -> list[tuple[State, str]]:
    """Runs of tokens of one state with `|` between tokens, wrapped at `width` cells.

    `measure` gives the cells of a text; everything unprintable is an escape. `.` stands for a
    token that holds further bytes of the character before it.
    """
    lines: list[tuple[State, str]] = []
    used = 0
    for piece in pieces:
        shown = inert(piece.text) or "."
        if ids:
            shown += f"({piece.id})"
        cells = measure(shown)
        if lines and lines[-1][0] == piece.state and used + 1 + cells <= width:
            lines[-1] = (piece.state, f"{lines[-1][1]}|{shown}")
            used += 1 + cells
        else:
            lines.append((piece.state, shown))
            used = cells
    return lines
