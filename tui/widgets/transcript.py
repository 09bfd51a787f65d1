"""Text that grows at its end, which is what is seen unless somebody reads further up."""

from __future__ import annotations

from collections.abc import Sequence

from tui.draw.line import Line, fit, line
from tui.widgets.sheet import Sheet


class Transcript(Sheet):
    """Lines of which `put` shows the last. `scroll_lines` reads up; at the end it follows again.

    While text grows the end is not kept at the bottom: it moves up by half a screen at once. By a
    quarter, 60 tokens a second cost 3.9 KB/s at 80x24, by half 2.6 (and a line at a time far more).
    """

    DEFAULT_CSS = "Transcript { height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._whole: tuple[Line, ...] = ()
        self._top = 0
        self._follows = True

    @property
    def whole(self) -> tuple[Line, ...]:
        """All lines, those that are scrolled away too."""
        return self._whole

    def put(self, lines: Sequence[Line], *, is_growing: bool = False) -> None:
        """Replace all lines; `is_growing` says that more are to come soon."""
        self._whole = tuple(lines)
        self._show_part(is_growing)

    def follow(self) -> None:
        """See the end again."""
        self._follows = True
        self._show_part()

    def scroll_lines(self, by: int) -> None:
        """Move by so many lines; down to the end follows it again."""
        last = self._last_top
        self._top = max(0, min(min(self._top, last) + by, last))
        self._follows = self._top >= last
        self._show_part()

    def scroll_pages(self, by: int) -> None:
        self.scroll_lines(by * max(self.content_size.height - 2, 1))

    def on_mouse_scroll_down(self) -> None:
        self.scroll_lines(2)

    def on_mouse_scroll_up(self) -> None:
        self.scroll_lines(-2)

    def on_resize(self) -> None:
        self._show_part()

    @property
    def _last_top(self) -> int:
        return max(len(self._whole) - self.content_size.height, 0)

    def _show_part(self, is_growing: bool = False) -> None:
        height, width = self.content_size.height, self.content_size.width
        if height <= 0:
            return
        last = self._last_top
        if self._follows and (last > self._top or len(self._whole) <= height):
            self._top = last + (height // 2 if is_growing and last else 0)
        self._top = max(0, min(self._top, max(len(self._whole) - 1, 0)))
        seen = list(self._whole[self._top : self._top + height])
        below = len(self._whole) - self._top - len(seen)
        if below and not self._follows:
            says = f"{below + 1} more lines: PgDn"
            seen[-1] = fit(line((says, "accent")), width)
        self.show(seen)
