"""One line for a path or a name: Tab completes it, Right takes the grey suggestion."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.suggester import Suggester

from tui.threads import in_thread
from tui.widgets.line_input import LineInput, visible

# A network drive that does not answer costs a Tab this long, and no more.
_PATIENCE_S = 1.0


def _paths(text: str) -> tuple[str, ...]:
    from engine.data.picker import complete

    return complete(text)


class PathInput(LineInput):
    """An Input without a frame. `names` are completed beside the paths of this disk."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "go on", key_display="Enter"),
        Binding("tab", "complete", "complete", key_display="Tab"),
    ]

    @dataclass
    class Choices(Message):
        """Tab found several ways to go on."""

        input: PathInput
        choices: tuple[str, ...]

    def __init__(
        self,
        value: str = "",
        *,
        placeholder: str = "",
        complete: Callable[[str], tuple[str, ...]] = _paths,
        id: str | None = None,
    ) -> None:
        self.names: tuple[str, ...] = ()
        self._complete = complete
        super().__init__(
            value,
            placeholder=placeholder,
            suggester=_Suggester(self._choices),
            select_on_focus=False,
            id=id,
        )
        self.cursor_blink = False

    def on_mount(self) -> None:
        self.call_after_refresh(self._show_end)

    def put(self, value: str) -> None:
        """Another value, its end in sight: that says most of a path."""
        self.value = value
        self.cursor_position = len(value)
        self.call_after_refresh(self._show_end)

    def _show_end(self) -> None:
        end = Region(cell_len(self.value), 0, width=1, height=1)
        self.scroll_to_region(end, force=True, animate=False)

    async def action_complete(self) -> None:
        """Add what all choices have in common; with nothing to add, show them or go on."""
        value = self.value
        found: tuple[str, ...] = ()
        if value and self.cursor_at_end:
            try:
                found = await asyncio.wait_for(in_thread(lambda: self._choices(value)), _PATIENCE_S)
            except TimeoutError:
                found = ()
        if value != self.value:
            return
        common = _common_start(found)
        if len(common) > len(value):
            self.put(common)
        elif len(found) > 1:
            self.post_message(self.Choices(self, found))
        else:
            self.screen.focus_next()

    def _choices(self, value: str) -> tuple[str, ...]:
        names = tuple(name for name in self.names if name.startswith(value) and name != value)
        return (*names, *self._complete(value))


def _common_start(texts: Sequence[str]) -> str:
    """What all of them begin with, in the middle of a name too."""
    if not texts:
        return ""
    first, last = min(texts), max(texts)
    same = (a == b for a, b in zip(first, last, strict=False))
    return "".join(character for character, _ in zip(first, takewhile(bool, same), strict=False))


class _Suggester(Suggester):
    """The first choice, looked up in a thread."""

    def __init__(self, choices: Callable[[str], tuple[str, ...]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._choices = choices

    async def get_suggestion(self, value: str) -> str | None:
        found = await in_thread(lambda: self._choices(value))
        # A name that could not be drawn as it is, is not suggested; Tab still takes it.
        return found[0] if found and visible(found[0]) == found[0] else None
