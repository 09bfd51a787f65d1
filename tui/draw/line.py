"""A drawn line: runs of text with the role each plays, measured in terminal cells."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size

from engine.data.text import inert

# (text, role); roles and what they look like are in tui/look.py, "" is plain text. Severities and
# states are always said in words too: colour alone means nothing on some terminals.
Run = tuple[str, str]
Line = tuple[Run, ...]

BLANK: Line = ()


def line(*parts: str | Run) -> Line:
    """A line of plain words and (text, role) runs, everything unprintable made visible."""
    runs = ((part, "") if isinstance(part, str) else part for part in parts)
    return tuple((drawable(text), role) for text, role in runs if text)


def drawable(text: str) -> str:
    """The text with everything unprintable visible, and without variation selectors.

    Those make a character one or two cells wide depending on the terminal (a heart with U+FE0F).
    """
    return inert(text).replace("\ufe0e", "").replace("\ufe0f", "")


def width_of(drawn: Line) -> int:
    """Its width in cells; a CJK character takes two."""
    return sum(cell_len(text) for text, _ in drawn)


def clip(text: str, width: int) -> str:
    """The text in at most `width` cells, its end cut with two dots."""
    if cell_len(text) <= width:
        return text
    if width <= 2:
        return set_cell_size(text, max(width, 0))
    return set_cell_size(text, width - 2).rstrip() + ".."


def clip_start(text: str, width: int) -> str:
    """The text in at most `width` cells, its beginning cut: the end of a path says more."""
    if cell_len(text) <= width:
        return text
    while text and cell_len(text) > max(width - 2, 0):
        text = text[1:]
    return f"..{text}" if width > 2 else text


def padded(text: str, width: int) -> str:
    """The text in exactly `width` cells."""
    return set_cell_size(clip(text, width), width)


def fit(drawn: Iterable[Run], width: int) -> Line:
    """The line in exactly `width` cells: cut, or filled up with blanks."""
    runs: list[Run] = []
    left = width
    for text, role in drawn:
        size = cell_len(text)
        if size > left:
            runs.append((set_cell_size(text, left), role))
            left = 0
            break
        runs.append((text, role))
        left -= size
    if left > 0:
        runs.append((" " * left, ""))
    return tuple(run for run in runs if run[0])


def beside(left: Line, right: Line, width: int) -> Line:
    """Two lines at both ends of one; the right one is kept whole."""
    room = max(width - width_of(right), 0)
    return (*fit(left, room), *right)


def wrapped(text: str, width: int, role: str = "", indent: str = "") -> list[Line]:
    """The text over as many lines as it needs, broken at spaces, long words and CJK by cells.

    Line breaks in the text are kept; later lines of a paragraph begin with `indent`.
    """
    if width < 4:
        return [((clip(drawable(text), width), role),)] if text else []
    lines: list[Line] = []
    for paragraph in text.splitlines() or [""]:
        current = ""
        for word in drawable(paragraph).split(" "):
            joined = f"{current} {word}" if current.strip() else f"{current}{word}"
            if cell_len(joined) <= width:
                current = joined
                continue
            if current.strip():
                lines.append(((current, role),))
                current = indent
            for character in word:
                if cell_len(current) + cell_len(character) > width:
                    lines.append(((current, role),))
                    current = indent
                current += character
        lines.append(((current, role),) if current else BLANK)
    return lines


def labelled(label: str, told: Iterable[Line], column: int, role: str = "dim") -> list[Line]:
    """Drawn lines beside a label that stands before the first of them, in `column` cells."""
    heads = itertools.chain([label], itertools.repeat(""))
    return [
        ((padded(drawable(head), column), role), *drawn)
        for head, drawn in zip(heads, told, strict=False)
    ]


def columns(cells: Sequence[Run], widths: Sequence[int], gap: int = 1) -> Line:
    """A row of a table: each cell cut or filled to its width."""
    runs: list[Run] = []
    for (text, role), width in zip(cells, widths, strict=True):
        runs.append((padded(drawable(text), width), role))
        runs.append((" " * gap, ""))
    return tuple(runs[:-1])
