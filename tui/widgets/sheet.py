"""A widget of drawn lines that repaints only the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from tui.draw.line import Line, fit
from tui.look import role_styles


class Sheet(Widget):
    """Lines of (text, role) runs. `show` replaces them; over SSH a cell that stays costs nothing.

    Textual repaints whole widgets; a line appended to its log widget costs the whole area. Here
    each new line is compared with what stands there and only the span that differs is repainted.
    """

    DEFAULT_CSS = "Sheet { width: 1fr; height: auto; }"

    def __init__(
        self, lines: Sequence[Line] = (), *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[Line] = list(lines)

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is shown now."""
        return tuple(self._lines)

    @property
    def text(self) -> str:
        """What is shown now, as plain text."""
        return "\n".join("".join(text for text, _ in drawn).rstrip() for drawn in self._lines)

    def show(self, lines: Sequence[Line]) -> None:
        """Replace the lines; a changed number of them lays the widget out anew where it must."""
        before, after = self._lines, list(lines)
        self._lines = after
        if not self.is_attached:
            return
        if len(before) != len(after) and self.styles.is_auto_height:
            # After a change of classes Textual has a layout asked for already and takes this one
            # for the same, with the height it remembers from before.
            self._layout_updates += 1
            self.refresh(layout=True)
            return
        width = self.content_size.width
        dirty = []
        for y in range(min(max(len(before), len(after)), self.content_size.height)):
            old = fit(before[y] if y < len(before) else (), width)
            new = fit(after[y] if y < len(after) else (), width)
            if span := _changed(old, new):
                dirty.append(Region(span[0], y, span[1] - span[0], 1))
        if dirty:
            self.refresh(*dirty)  # textual counts regions from the content's corner

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines)

    def drawn(self, y: int) -> Line:
        """The line to draw in row `y` of the widget."""
        return self._lines[y] if y < len(self._lines) else ()

    def render_line(self, y: int) -> Strip:
        return self.strip(self.drawn(y))

    def strip(self, drawn: Line, *, under: Style | None = None) -> Strip:
        """The line as Textual draws it, over the widget's own style or the one given."""
        base = self.rich_style if under is None else under
        runs = fit(drawn, self.content_size.width)
        segments = [Segment(text, base + self.role_style(role)) for text, role in runs]
        return Strip(segments, self.content_size.width)

    def role_style(self, role: str) -> Style:
        """What a role looks like under the theme of now."""
        return role_styles(self.app.theme)[role]


def _changed(old: Line, new: Line) -> tuple[int, int] | None:
    """The span of cells, begin and end, in which two lines of one width differ."""
    if old == new:
        return None
    before, after = _cells(old), _cells(new)
    if len(before) != len(after):  # a sequence whose width is not the sum of its characters'
        return 0, max(len(before), len(after))
    differ = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    if not differ:
        return None
    if any(drawn and cell_len(drawn[0][0][0]) == 0 for drawn in (old, new)):
        return 0, len(before)  # a combining mark before any cell is cut in its own way
    begin, end = differ[0], differ[-1] + 1
    while begin > 0 and not (_begins(before, begin) and _begins(after, begin)):
        begin -= 1
    while end < len(before) and not (_begins(before, end) and _begins(after, end)):
        end += 1
    return begin, end


def _begins(cells: list[tuple[str, str]], index: int) -> bool:
    """Whether a line can be cut before this cell: half of a wide character is drawn as a blank,
    and a combining mark goes to the part behind the cut."""
    before = next((text for text, _ in reversed(cells[:index]) if text), "")
    return cells[index][0] != "" and len(before) <= 1


def _cells(drawn: Line) -> list[tuple[str, str]]:
    """Each cell's character and role; the second cell of a wide character is empty text."""
    cells: list[tuple[str, str]] = []
    first = 0  # index of the cell that began the last character
    orphans = ""  # combining marks before any cell
    for text, role in drawn:
        for character in text:
            size = cell_len(character)
            if size == 0 and cells:
                cells[first] = (cells[first][0] + character, cells[first][1])
            elif size == 0:
                orphans += character
            else:
                first = len(cells)
                cells.append((orphans + character, role))
                cells += [("", role)] * (size - 1)
                orphans = ""
    return cells
