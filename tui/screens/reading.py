"""A text to read over the screen: a log, a spec file, a list of warnings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from engine.runs.state import log_tail
from engine.runs.store import RunFolder
from tui.ask import Asking
from tui.draw.line import Line, clip_start, line, wrapped
from tui.screens.modal import Modal
from tui.widgets.rows import Row, Rows
from tui.widgets.sheet import Sheet

_LOG_LINES = 200


class ReadingScreen(Modal[None]):
    """Lines of text, wrapped to the terminal; the end of a log is shown first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "close", priority=True)
    ]

    def __init__(self, title: str, lines: Sequence[str], *, from_end: bool = True) -> None:
        super().__init__(classes="box")
        self._title = title
        self._said = lines
        self._from_end = from_end

    def compose(self) -> ComposeResult:
        yield Sheet(id="box-title")
        yield Rows(id="text")
        yield Sheet([line(("Esc", "key"), " close  ", ("Up Down", "key"), " move")], id="box-keys")

    def on_mount(self) -> None:
        self.query_one(Rows).focus()
        self.call_after_refresh(self._fill)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        rows = self.query_one(Rows)
        width = max(rows.content_size.width - 2, 20)
        title = self.query_one("#box-title", Sheet)
        title.show([line((clip_start(self._title, width), "title"))])
        drawn: list[Line] = []
        for said in self._said:
            drawn += wrapped(said, width)
        rows.fill([Row(str(number), text) for number, text in enumerate(drawn)])
        rows.action_edge(1 if self._from_end else -1)


class LogScreen(Asking, ReadingScreen):
    """The end of what the worker of a run or job said, read in a thread: its disk may be slow."""

    def __init__(self, run: RunFolder) -> None:
        super().__init__(str(run.worker_log), ["Reading it ..."])
        self._run = run

    def on_mount(self) -> None:
        self.ask("log", lambda: log_tail(self._run, _LOG_LINES))

    def answered(self, question: str, value: object) -> None:
        self._said = value if isinstance(value, list) and value else ["It is empty."]
        self._fill()
