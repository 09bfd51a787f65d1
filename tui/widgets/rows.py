"""A list to choose from: one widget, a cursor, and two repainted lines per key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from tui.draw.line import Line
from tui.widgets.sheet import Sheet


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a list; `key` names what it stands for. Headings cannot be chosen."""

    key: str
    drawn: Line
    is_heading: bool = False


class Rows(Sheet, can_focus=True):
    """Rows with a cursor. The chosen one begins with `>` and is drawn reversed: no colour needed.
    While another widget has the focus it begins with `-`.

    Posts `Moved` when the cursor went to another row and `Opened` on Enter or a click on it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home", "edge(-1)", "first", show=False),
        Binding("end", "edge(1)", "last", show=False),
        Binding("enter", "open", "open", show=False),
    ]
    DEFAULT_CSS = "Rows { height: 1fr; }"

    cursor = reactive(0, repaint=False)

    @dataclass
    class Moved(Message):
        """The cursor stands on another row; `key` is empty where there is none."""

        rows: Rows
        key: str

        @property
        def control(self) -> Rows:
            return self.rows

    @dataclass
    class Opened(Message):
        """The row was chosen."""

        rows: Rows
        key: str

        @property
        def control(self) -> Rows:
            return self.rows

    def __init__(
        self,
        rows: Sequence[Row] = (),
        *,
        empty: Sequence[Line] = (),
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: tuple[Row, ...] = tuple(rows)
        self._empty = tuple(empty)
        self._top = 0
        self.set_reactive(Rows.cursor, self._settled(0, 1))
        self._set_lines()

    @property
    def rows(self) -> tuple[Row, ...]:
        return self._rows

    @property
    def key(self) -> str:
        """What the row under the cursor stands for, empty where there is none."""
        row = self._row_at(self.cursor)
        return row.key if row and not row.is_heading else ""

    def fill(self, rows: Sequence[Row], *, key: str | None = None) -> None:
        """Replace the rows; the cursor stays with the key it was on, or goes to the one given."""
        before = self.key
        wanted = before if key is None else key
        self._rows = tuple(rows)
        index = next((i for i, row in enumerate(self._rows) if row.key == wanted and wanted), None)
        self.set_reactive(Rows.cursor, self._settled(self.cursor if index is None else index, 1))
        self._scroll_to_cursor()
        self._set_lines()
        if self.key != before:
            self.post_message(self.Moved(self, self.key))

    def choose(self, key: str) -> None:
        """Put the cursor on a row."""
        for index, row in enumerate(self._rows):
            if row.key == key and not row.is_heading:
                self.cursor = index

    def watch_cursor(self, before: int, after: int) -> None:
        if before == after:
            return
        top = self._top
        self._scroll_to_cursor()
        self._set_lines()
        # Reversed from end to end, a row changes where its text stays what it was.
        self.refresh_row(before - top)
        self.refresh_row(after - self._top)
        self.post_message(self.Moved(self, self.key))

    def action_move(self, by: int) -> None:
        index = self._settled(self.cursor + by, by)
        if index == self.cursor and by < 0:
            self._top = 0  # shows headings above the first row
            self._set_lines()
        self.cursor = index

    def action_page(self, by: int) -> None:
        self.cursor = self._settled(self.cursor + by * max(self.content_size.height - 1, 1), by)

    def action_edge(self, side: int) -> None:
        self.cursor = self._settled(0 if side < 0 else len(self._rows) - 1, -side)

    def action_open(self) -> None:
        if self.key:
            self.post_message(self.Opened(self, self.key))

    def on_click(self, event: events.Click) -> None:
        index = self._top + event.get_content_offset_capture(self).y
        row = self._row_at(index)
        if row is None or row.is_heading:
            return
        if index == self.cursor:
            self.action_open()
        self.cursor = index

    def on_mouse_scroll_down(self) -> None:
        self.action_move(1)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-1)

    def on_resize(self) -> None:
        self._scroll_to_cursor()
        self._set_lines()

    def watch_has_focus(self, has_focus: bool) -> None:
        # Not on_focus: textual calls that one before has_focus is set.
        super().watch_has_focus(has_focus)
        self._set_lines()
        self._repaint_cursor()

    def render_line(self, y: int) -> Strip:
        drawn = self.drawn(y)
        if self._rows and self._top + y == self.cursor and self.has_focus:
            return self.strip(
                tuple((text, "cursor") for text, _ in drawn),
                under=self.rich_style + self.role_style("cursor"),
            )
        return self.strip(drawn)

    def _set_lines(self) -> None:
        if not self._rows:
            self.show(self._empty)
            return
        height = self.content_size.height or len(self._rows)
        seen = self._rows[self._top : self._top + height]
        # One `>` on the screen is where the keys go; a list that waits keeps its place with `-`.
        pointer = ">" if self.has_focus else "-"
        above, below = self._top, len(self._rows) - self._top - len(seen)
        lines = []
        for offset, row in enumerate(seen):
            index = self._top + offset
            mark = pointer if index == self.cursor and not row.is_heading else " "
            if offset == 0 and above and mark == " ":
                mark = "^"
            if offset == len(seen) - 1 and below and mark == " ":
                mark = "v"
            lines.append(((mark + " ", "accent"), *row.drawn))
        self.show(lines)

    def _settled(self, index: int, direction: int) -> int:
        """The nearest row that can be chosen, looking in the direction of travel first."""
        if not self._rows:
            return 0
        last = len(self._rows) - 1
        at: int = max(0, min(index, last))
        after, before = list(range(at, last + 1)), list(range(at, -1, -1))
        order = after + before if direction >= 0 else before + after
        return next((i for i in order if not self._rows[i].is_heading), at)

    def _scroll_to_cursor(self) -> None:
        height = self.content_size.height
        if height <= 0:
            return
        self._top = min(self._top, self.cursor)
        if self.cursor >= self._top + height:
            self._top = self.cursor - height + 1
        self._top = max(0, min(self._top, len(self._rows) - height))

    def _row_at(self, index: int) -> Row | None:
        return self._rows[index] if 0 <= index < len(self._rows) else None

    def _repaint_cursor(self) -> None:
        self.refresh_row(self.cursor - self._top)

    def refresh_row(self, y: int) -> None:
        """Repaint one row."""
        if 0 <= y < self.content_size.height:
            self.refresh(Region(0, y, self.content_size.width, 1))
