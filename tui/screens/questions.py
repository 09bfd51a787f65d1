"""Asks for a file of questions and reads it before anything is started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from engine.errors import TailfinError
from engine.runs.store import RunFolder
from tui.ask import Asking
from tui.draw.line import Line, clip, line, wrapped
from tui.screens.modal import Modal
from tui.widgets.path_input import PathInput
from tui.widgets.sheet import Sheet


class QuestionsScreen(Asking, Modal[Path | None]):
    """Dismissed with a file that holds questions, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "back", priority=True, show=False),
        Binding("f3", "browse", "browse files", show=False),
    ]

    def __init__(self, run: RunFolder) -> None:
        super().__init__(classes="box small")
        self._run = run

    def compose(self) -> ComposeResult:
        yield Sheet([line(("Questions of your own", "title"))], id="box-title")
        yield Sheet(id="box-text")
        yield PathInput(placeholder="a .txt file with one question per line, or chat rows")
        yield Sheet(id="note")
        yield Sheet(
            [
                line(
                    *(("Enter", "key"), " compare  ", ("Tab", "key"), " complete  "),
                    *(("F3", "key"), " browse  ", ("Esc", "key"), " back"),
                )
            ],
            id="box-keys",
        )

    def on_mount(self) -> None:
        self.query_one(PathInput).focus()
        self.call_after_refresh(self._fill)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        typed = message.value.strip()
        if not typed:
            self._note([line(("Name a file.", "warn"))])
            return
        self._note([line(("Reading it ...", "dim"))])

        def read() -> Path:
            from engine.evaluate.questions import read_questions

            path = Path(os.path.abspath(os.path.expanduser(typed)))
            read_questions(path)
            return path

        self.ask("read", read)

    def on_path_input_choices(self, message: PathInput.Choices) -> None:
        message.stop()
        width = max(self.size.width - 6, 20)
        names = "  ".join(os.path.basename(c.rstrip("/")) for c in message.choices)
        self._note([line((clip(names, width), "dim"))])

    def action_browse(self) -> None:
        """Find the file by walking through the folders."""
        from tui.screens.picker import PickerScreen

        start = Path(os.path.expanduser(self.query_one(PathInput).value.strip() or "."))
        title = "Choose a file of questions"
        self.app.push_screen(PickerScreen(title, start, folders=False), self._take)

    def answered(self, question: str, value: object) -> None:
        if isinstance(value, TailfinError):
            width = max(self.size.width - 6, 20)
            said = wrapped(value.message, width, "warn")
            self._note([*said, *wrapped(f"Do: {value.hint}", width)])
        elif isinstance(value, Path):
            self.dismiss(value)

    def _take(self, path: Path | None) -> None:
        if path is not None:
            field = self.query_one(PathInput)
            field.value = str(path)
            field.cursor_position = len(field.value)

    def _fill(self) -> None:
        text = self.query_one("#box-text", Sheet)
        said = "Base and tuned both answer them; the held-out rows are measured as before."
        text.show(wrapped(said, max(text.content_size.width, 20)))

    def _note(self, lines: list[Line]) -> None:
        self.query_one("#note", Sheet).show(lines)
