"""The one line to type in, which draws what it holds as inertly as everything else is drawn."""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Input

# Drawn in place of what a terminal would obey or could not show: as wide in every terminal.
_UNPRINTABLE = "?"


class LineInput(Input):
    """An Input whose value may come from a file: its escapes are kept in it and never drawn.

    Textual 8.2.8 takes styles and the cursor by the index of a character, so each one is drawn as
    one; written out, as in `inert`, an escape would take several.
    """

    @property
    def _value(self) -> Text:
        text = "*" * len(self.value) if self.password else visible(self.value)
        return Text(text, no_wrap=True, overflow="ignore", end="")

    def _position_to_cell(self, position: int) -> int:
        return cell_len(visible(self.value[:position]))


def visible(text: str) -> str:
    """The text with one ? for each character that cannot be printed, a blank for a tab."""
    return "".join(_drawn(character) for character in text)


def _drawn(character: str) -> str:
    # Blanks of other widths are no harm: the ideographic one is typed with every Chinese keyboard.
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return " " if character == "\t" else _UNPRINTABLE
