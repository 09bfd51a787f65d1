"""Texts that models wrote, made safe for a terminal and laid out beside each other."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence

NARROW = 60


def inert_text(text: str) -> str:
    """The text with its line breaks, but no way to act on the terminal.

    Escapes, control and direction characters are written out; wide and odd spaces become spaces.
    """
    return "".join(c if c == "\n" or c.isprintable() else _shown(c) for c in text)


def side_by_side(blocks: Sequence[tuple[str, str]], width: int) -> str:
    """Titled texts in columns wrapped to `width` cells; below each other if that is too narrow."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if width < NARROW:
        return "\n".join(f"{title}:\n{inert_text(text)}" for title, text in blocks)
    out = io.StringIO()
    console = Console(
        file=out, width=width, color_system=None, highlight=False, markup=False, emoji=False
    )
    table = Table(box=box.ASCII2, expand=True, pad_edge=False, show_edge=False)
    for title, _ in blocks:
        table.add_column(title, ratio=1, overflow="fold")
    table.add_row(*(Text(inert_text(text).strip() or "(nothing)") for _, text in blocks))
    console.print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _shown(character: str) -> str:
    if character == "\t" or unicodedata.category(character) == "Zs":
        return " "
    return repr(character)[1:-1]
