"""Home: every run in every folder of runs, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget

from tui.draw.line import line
from tui.screens.base import TailfinScreen
from tui.widgets.rows import Row, Rows


class HomeScreen(TailfinScreen):
    """The list of runs."""

    def body(self) -> Iterable[Widget]:
        yield Rows([Row(str(n), line(f"run {n} 你好")) for n in range(40)], id="runs")

    def on_mount(self) -> None:
        self.query_one(Rows).focus()
