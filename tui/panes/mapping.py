"""Columns nobody knows: a person says which plays which part, with an example beside each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from engine.data.inspect import Unreadable
from engine.data.layout import REQUIRED
from engine.data.text import inert
from engine.errors import TailfinError
from tui.draw.line import Line, clip, line, padded
from tui.widgets.rows import Row, Rows

# part -> what it is, in the words of the screen
PARTS = {
    "prompt": "what is asked",
    "completion": "the answer",
    "system": "system prompt",
    "input": "more to the question",
}
NEEDED = ("prompt", "completion")
_CONFIRM = "confirm"
_COLUMN_CELLS = 20
# Cells from which a part is explained and its example still has room.
_EXPLAINED_FROM = 74
_SEVERAL = ("data.mixed", "data.two-readings")


def is_mappable(trouble: Unreadable | TailfinError | None) -> bool:
    """Whether a person can say which column is which and so make the file readable."""
    if not isinstance(trouble, Unreadable) or len(trouble.file_columns) < len(NEEDED):
        return False
    return not other_layouts(trouble)


def other_layouts(trouble: Unreadable | TailfinError | None) -> list[str]:
    """Layouts by name that a file with several of them, or with two readings, could be read as."""
    if not isinstance(trouble, Unreadable) or trouble.error.error_id not in _SEVERAL:
        return []
    fields = set(trouble.file_columns)
    return [name for name, needed in REQUIRED.items() if fields.issuperset(needed)]


class MappingRows(Rows):
    """A row per part; left and right go through the columns, Enter confirms all of them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "other column", key_display="Left/Right"),
        Binding("right", "turn(1)", "other column", show=False),
        Binding("enter", "open", "confirm"),
    ]
    DEFAULT_CSS = "MappingRows { height: auto; display: none; }"

    @dataclass
    class Confirmed(Message):
        """The person said which column is which."""

        columns: dict[str, str]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._columns: tuple[str, ...] = ()
        self._values: Mapping[str, str] = {}
        self._chosen: dict[str, str] = {}
        self._fault = ""

    def offer(
        self, columns: Sequence[str], values: Mapping[str, str], chosen: Mapping[str, str]
    ) -> None:
        """Ask about these columns, beginning with `chosen` (part to column)."""
        self._columns, self._values = tuple(columns), values
        self._chosen = {part: column for part, column in chosen.items() if column in columns}
        self._fault = ""
        self._draw()
        self.choose(next((part for part in NEEDED if part not in self._chosen), _CONFIRM))

    def help_lines(self) -> list[str]:
        return [
            "The columns of this file are not a layout that is known by name, and nothing is "
            "guessed. Go to a part with the arrow keys, find its column with Left and Right, and "
            "press Enter when all are right. Prompt and completion are needed; the completion is "
            "what the model learns to answer.",
        ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Columns are turned in a part's row, not in the one that confirms."""
        return self.key in PARTS if action == "turn" else True

    def watch_cursor(self, before: int, after: int) -> None:
        super().watch_cursor(before, after)
        self.refresh_bindings()

    def action_turn(self, by: int) -> None:
        part = self.key
        if part not in PARTS:
            return
        choices = ["", *self._columns] if part not in NEEDED else list(self._columns)
        now = self._chosen.get(part, "")
        at = choices.index(now) if now in choices else (-1 if by > 0 else 0)
        column = choices[(at + by) % len(choices)]
        self._chosen.pop(part, None)
        if column:
            self._chosen[part] = column
        self._fault = ""
        self._draw()

    def action_open(self) -> None:
        missing = [part for part in NEEDED if part not in self._chosen]
        double = [
            p
            for p in PARTS
            if p in self._chosen and list(self._chosen.values()).count(self._chosen[p]) > 1
        ]
        if missing:
            self._fault = f"Choose a column for {missing[0]} with Left and Right."
            self._draw()
            self.choose(missing[0])
        elif double:
            self._fault = f"{' and '.join(double)} are the same column."
            self._draw()
        else:
            ordered = {part: self._chosen[part] for part in PARTS if part in self._chosen}
            self.post_message(self.Confirmed(ordered))

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        rows = [Row(part, self._drawn(part)) for part in PARTS]
        last = line((self._fault, "fail")) if self._fault else line("Read the file like this")
        self.fill([*rows, Row(_CONFIRM, last)])

    def _drawn(self, part: str) -> Line:
        column = self._chosen.get(part, "")
        nothing = "choose" if part in NEEDED else "none"
        name = padded(inert(column) or nothing, _COLUMN_CELLS)
        width = self.content_size.width - 2
        explained = f"{PARTS[part]:<21}" if width >= _EXPLAINED_FROM else ""
        room = max(width - 17 - len(explained) - _COLUMN_CELLS, 0)
        example = clip(inert(self._values.get(column, "")), room)
        return line(
            f"{part:<11}",
            (explained, "dim"),
            "< ",
            (name, "value" if column else "warn" if part in NEEDED else "dim"),
            " >  ",
            (example, "dim"),
        )
