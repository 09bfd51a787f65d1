"""A list whose keys are pressed in a field beside it."""

from __future__ import annotations

from textual.strip import Strip

from tui.draw.line import Line
from tui.widgets.rows import Rows


class DrivenRows(Rows, can_focus=False):
    """Never has the focus; its row is marked as if it had, because the keys do go there."""

    def drawn(self, y: int) -> Line:
        runs = super().drawn(y)
        return ((">" + runs[0][0][1:], runs[0][1]), *runs[1:]) if self._is_cursor(y) else runs

    def render_line(self, y: int) -> Strip:
        if not self._is_cursor(y):
            return super().render_line(y)
        under = self.rich_style + self.role_style("cursor")
        return self.strip(tuple((text, "cursor") for text, _ in self.drawn(y)), under=under)

    def _is_cursor(self, y: int) -> bool:
        return bool(self.key) and self._top + y == self.cursor
