"""Applies a fix: shows the command, runs it once that was confirmed, and shows what it says."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from engine.doctor.apply import Applied, apply
from engine.errors import TailfinError
from engine.findings import Finding
from tui.ask import Asking
from tui.draw.line import BLANK, Line, clip, line, wrapped
from tui.screens.modal import Modal
from tui.widgets.sheet import Sheet

_TAIL = 8
# Output is drawn so often at most.
_EVERY_S = 1.0


class ApplyScreen(Asking, Modal[bool]):
    """Ends with whether the command was run. Enter twice or `y` runs it, Esc takes it back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "agree", "run it", show=False),
        Binding("y", "run", "run it", show=False),
        Binding("n,escape", "close", "back", show=False),
    ]

    @dataclass
    class Said(Message):
        """The command has written something."""

        tail: tuple[str, ...]

    def __init__(self, finding: Finding) -> None:
        super().__init__(classes="box small")
        self._finding = finding
        self._is_agreed = False
        self._tail: tuple[str, ...] = ()
        self._cancelled: threading.Event | None = None
        self._ended: Applied | TailfinError | None = None

    def compose(self) -> ComposeResult:
        yield Sheet([line(("Apply this fix?", "title"))], id="box-title")
        yield Sheet(id="box-text")
        yield Sheet(id="box-keys")

    def on_mount(self) -> None:
        self.call_after_refresh(self._draw)
        self.set_interval(_EVERY_S, self._draw_output)

    def on_resize(self) -> None:
        self._draw()

    def cancel(self) -> bool:
        """Ctrl-C: end the command; False where none is at work."""
        if not self._is_running or self._cancelled is None:
            return False
        self._cancelled.set()
        return True

    def action_agree(self) -> None:
        if self._ended is not None:
            self.action_close()
        elif self._is_agreed:
            self.action_run()
        else:
            self._is_agreed = True
            self._draw()

    def action_run(self) -> None:
        """Begin; once and never again."""
        if self._cancelled is not None:
            return
        self._cancelled = threading.Event()
        work = partial(
            apply,
            self._finding.fix,
            dict(os.environ),
            is_cancelled=self._cancelled.is_set,
            said=lambda tail: None if self.is_being_left else self._hear(tail),
        )
        self.ask("apply", work)
        self._draw()

    def action_close(self) -> None:
        if not self.cancel():
            self.dismiss(self._ended is not None)

    def answered(self, question: str, value: object) -> None:
        if isinstance(value, Applied):
            self._tail = value.tail
            os.environ.update(value.environment or {})
        if isinstance(value, Applied | TailfinError):
            self._ended = value
        self._draw()

    def on_unmount(self) -> None:
        if self._cancelled is not None:
            self._cancelled.set()

    @property
    def _is_running(self) -> bool:
        return self._cancelled is not None and self._ended is None

    def _hear(self, tail: tuple[str, ...]) -> None:
        """Called in a thread; drawn by the clock."""
        self._tail = tail

    def _draw_output(self) -> None:
        if self._is_running:
            self._draw()

    def _draw(self) -> None:
        if not self.is_mounted or self.is_being_left:
            return
        text = self.query_one("#box-text", Sheet)
        width = max(text.content_size.width, 20)
        drawn = [*wrapped(self._finding.message, width, "dim"), BLANK]
        drawn += wrapped(self._finding.fix, width, "value")
        if self._cancelled is not None:
            drawn += [BLANK, *(line((clip(said, width), "dim")) for said in self._tail[-_TAIL:])]
        drawn += [BLANK, *self._state(width)]
        text.show(drawn)
        self.query_one("#box-keys", Sheet).show([self._keys()])

    def _state(self, width: int) -> list[Line]:
        match self._ended:
            case TailfinError() as error:
                return wrapped(f"FAIL  {error.message} {error.hint}".rstrip(), width, "fail")
            case Applied(succeeded=True) as ended:
                return wrapped(f"OK    It ended well. {_known(ended.environment)}".rstrip(), width)
            case Applied(was_cancelled=True):
                return wrapped("It was cancelled and ended.", width, "warn")
            case Applied(code=None) as ended:
                return wrapped(f"FAIL  It was ended after {ended.seconds:.0f} s.", width, "fail")
            case Applied() as ended:
                return wrapped(f"FAIL  It ended with exit code {ended.code}.", width, "fail")
        if self._is_running:
            return [line(("It is running.", "strong"))]
        if self._is_agreed:
            return [line(("Enter once more runs it.", "strong"))]
        return [line("Nothing is run before you say so.")]

    def _keys(self) -> Line:
        if self._ended is not None:
            return line(("Enter", "key"), " back to the checks, which look again")
        if self._is_running:
            return line(("Esc", "key"), " cancel it")
        return line(
            ("y", "key"), " or ", ("Enter", "key"), " twice: run it  ", ("Esc", "key"), " no"
        )


def _known(environment: Mapping[str, str] | None) -> str:
    """What was exported, by name: a value may be a token."""
    if not environment:
        return ""
    names = ", ".join(sorted(environment))
    return f"{names} now holds for everything started from here; your shell does not know it."
