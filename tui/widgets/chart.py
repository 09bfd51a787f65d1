"""The chart of one metric: drawn from curves, again only when they or its size changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from tui.draw.history import Curves
from tui.draw.line import Line
from tui.draw.run_chart import chart_lines
from tui.widgets.sheet import Sheet


class Chart(Sheet):
    """Fills what room it gets."""

    DEFAULT_CSS = "Chart { height: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._shown: tuple[object, ...] = ()
        self._again: Callable[[], None] | None = None

    def on_resize(self) -> None:
        if self._again is not None:
            self._again()

    def draw(self, curves: Curves, *, log_y: bool, ascii_only: bool, is_live: bool) -> None:
        """Show these curves at the size the widget has, and again at every other one."""
        self._again = partial(
            self.draw, curves, log_y=log_y, ascii_only=ascii_only, is_live=is_live
        )
        size = self.content_size
        wanted = (curves, size, log_y, ascii_only, is_live)
        if not size.width or wanted == self._shown:
            return
        self._shown = wanted
        self.show(
            chart_lines(
                curves,
                size.width,
                size.height,
                log_y=log_y,
                ascii_only=ascii_only,
                is_live=is_live,
            )
        )

    def say(self, lines: Sequence[Line]) -> None:
        """Words in the place of a chart."""
        self._again, self._shown = None, ()
        self.show(lines)
