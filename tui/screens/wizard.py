"""The wizard: box, model, data, method, review; Enter goes on, Esc goes back, nothing is lost."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from tui.draft import Draft
from tui.draw.line import Line, line
from tui.panes.base import Pane
from tui.screens.base import TailfinScreen
from tui.settle import settle
from tui.widgets.next_bar import NextBar

# step -> (module, class); a pane is imported when it is first shown
STEPS: dict[str, tuple[str, str]] = {
    "box": ("tui.panes.box", "BoxPane"),
    "model": ("tui.panes.model", "ModelPane"),
    "data": ("tui.panes.data", "DataPane"),
    "method": ("tui.panes.method", "MethodPane"),
    "review": ("tui.panes.review", "ReviewPane"),
}


# Cells from which the run's name has room beside the steps.
_NAMED_FROM = 70

LAST = "review"
# So long the review stands before Enter on it starts anything.
READ_S = 0.5


class WizardScreen(TailfinScreen):
    """Holds the draft and shows one pane at a time, made anew from the draft each time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", key_display="Esc"),
        Binding("ctrl+n", "forward", "next step", show=False),
        Binding("ctrl+b", "back", "step back", show=False),
    ]

    def __init__(self, draft: Draft, step: str = "box") -> None:
        super().__init__()
        self.draft = draft
        self.step = step
        self._shown_at = 0.0

    def body(self) -> Iterable[Widget]:
        yield Vertical(id="pane")

    def heading(self) -> tuple[Line, Line]:
        steps: list[tuple[str, str]] = []
        for number, name in enumerate(STEPS, start=1):
            role = "chosen" if name == self.step else "dim"
            steps += [(f" {number} {name} ", role), (" ", "")]
        what = self.draft.text("name") if self.size.width >= _NAMED_FROM else ""
        return line(("tailfin", "title"), "  ", *steps), line((what, "dim"))

    def help_lines(self) -> list[str]:
        return [
            "Five steps lead to a run: this box, the base model, the data, the method and its "
            "memory, and a review of everything. Enter goes on, Esc goes back; what you typed "
            "stays. Every step has a default where one can be known.",
        ]

    async def on_mount(self) -> None:
        await self.show_step(self.step)

    def on_unmount(self) -> None:
        # A run counts for itself: nobody waits for this one any more.
        if self.draft.counting is not None:
            self.draft.counting.cancel()
        self.draft.simulator.close()

    @property
    def pane(self) -> Pane | None:
        """The step that is shown."""
        found = self.query(Pane)
        return found.first() if found else None

    async def show_step(self, step: str) -> None:
        """Make the pane of a step from the draft and put the cursor where Enter goes on."""
        self.step = step
        self._shown_at = time.monotonic()
        settle(self.app)
        module, name = STEPS[step]
        made: Pane = getattr(importlib.import_module(module), name)(self.draft)
        holder = self.query_one("#pane", Vertical)
        await holder.remove_children()
        await holder.mount(made)
        # Inside the pane, so that the pane's keys work from the bar too.
        await made.mount(NextBar())
        self.show_heading()
        self._show_next()
        self._focus()
        if step == LAST and READ_S > 0:
            self.set_timer(READ_S + 0.05, self._show_next)

    def on_pane_changed(self, message: Pane.Changed) -> None:
        if message.pane is not self.pane:
            return  # a pane that was left while it still asked something
        counting, self.draft = self.draft.counting, message.draft
        if counting is not None and counting is not self.draft.counting:
            counting.cancel()  # it is of other rows or of another model, or has ended
        pane, bars = self.pane, self.query(NextBar)
        if pane is None or not bars:
            return
        had_stop = bool(bars.first().stop)
        self._show_next()
        if had_stop and not pane.stop and self.focused is pane.first():
            bars.first().focus()

    async def on_pane_onward(self, message: Pane.Onward) -> None:
        if message.pane is self.pane:
            await self.action_forward()

    async def on_next_bar_pressed(self) -> None:
        await self.action_forward()

    async def action_forward(self) -> None:
        """The next step, unless something is in the way."""
        pane = self.pane
        if pane is None:
            return
        if pane.stop:
            self._focus()
            return
        if self._is_fresh:
            return
        if not pane.proceed():
            return
        self.draft = pane.draft
        names = list(STEPS)
        await self.show_step(names[min(names.index(self.step) + 1, len(names) - 1)])

    async def action_back(self) -> None:
        """The step before; from the first one home."""
        names = list(STEPS)
        at = names.index(self.step)
        if at == 0:
            self.tailfin.go_home()
            return
        await self.show_step(names[at - 1])

    @property
    def _is_fresh(self) -> bool:
        """Whether the review was not there to be read yet: an Enter that was meant for the step
        before must not start paid hours."""
        return self.step == LAST and time.monotonic() - self._shown_at < READ_S

    def _show_next(self) -> None:
        pane, bars = self.pane, self.query(NextBar)
        if pane is not None and bars:
            wait = "Read it first." if self._is_fresh else ""
            bars.first().say(pane.forward, pane.stop or wait)

    def _focus(self) -> None:
        pane = self.pane
        field = pane.first() if pane is not None and pane.stop else None
        (field or self.query_one(NextBar)).focus()
