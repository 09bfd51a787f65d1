"""The method step: every setting with its source, and the memory they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from engine.data.inspect import Inspection
from engine.errors import TailfinError
from engine.fields import describe, parse
from engine.memory.budget import Budget
from engine.memory.cards import Card
from engine.memory.remedies import Remedy
from engine.memory.simulator import Wish
from tui.draft import Draft
from tui.draw.line import Line, clip, line, wrapped
from tui.panes.advice import FIX_KEYS, Advice, Question, remedy_line
from tui.panes.prediction import (
    FoundModel,
    best_memory_of,
    find_card,
    find_model,
    row_length,
    wish_of,
)
from tui.panes.settings import SettingsPane
from tui.panes.simulated_lines import simulated_said
from tui.panes.token_count import count_tokens
from tui.widgets.memory_bar import memory_lines, phases_said
from tui.widgets.rows import Row, Rows
from tui.widgets.settings import SettingRows
from tui.widgets.sheet import Sheet

# Lines of a pane from which there is room for everything.
_TALL = 28


class MethodPane(SettingsPane):
    """The settings, the estimate that follows every key, and the simulation that follows it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # On a row that takes digits, a digit is typed; there the letters apply a fix.
        Binding("1,f", "fix(0)", "apply a fix", key_display="1/f"),
        Binding("2,g", "fix(1)", "apply the second fix", show=False),
        Binding("3,h", "fix(2)", "apply the third fix", show=False),
    ]

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._need: Budget | TailfinError | None = None
        self._remedies: Sequence[Remedy] = ()
        # The advice that is being sought, and that which there is.
        self._asked: Question | None = None
        self._advised: Question | None = None
        self._is_simulating = False

    def compose(self) -> ComposeResult:
        yield from self.setting_parts()
        yield Sheet(id="memory")
        yield Rows(id="fixes")

    def on_mount(self) -> None:
        if self.draft.card is None:
            self.ask("card", partial(find_card, self.tailfin.options.runs))
        draft = self.draft
        is_known = draft.shape is not None and (draft.place is not None or draft.config is not None)
        if not is_known and draft.text("model.path"):
            self.ask("model", lambda: find_model(draft))
        self._count()
        self._catch_up()
        self._simulate()
        self.call_after_refresh(self.draw)

    def proceed(self) -> bool:
        self._catch_up()
        return True

    def help_lines(self) -> list[str]:
        return [
            *super().help_lines(),
            "The bar is what the process will hold of the card, part by part; the line | in it is "
            "what is free now. An estimate is made anew with every key. The simulation, which "
            "executes the step without weights, follows in the background. Tensors, reserved and "
            "process are what torch's tensors hold, what its allocator keeps, and what the driver "
            "sees: the last decides.",
            "1, 2 and 3 apply a fix that is offered; on a row that takes digits f, g and h do.",
        ]

    def answered(self, question: str, value: object) -> None:
        match question, value:
            case "card", Card():
                self.take(replace(self.draft, card=value))
            case "model", FoundModel():
                self.take(replace(self.draft, config=value.config, shape=value.shape))
            case "model", TailfinError() if self.draft.shape is not None:
                pass  # the estimate needs no more than the shape
            case (("card" | "model"), TailfinError()):
                self._need = value
            case "tokens", Inspection():
                self.take(replace(self.draft, inspection=value, counting=None))
            case "advice", _:
                self._take_answer(value)
            case "simulation", _:
                self._is_simulating = False
                self._estimate()
                self._simulate()
                self.announce()
        self.draw()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        if message.rows.id == "fixes":
            message.stop()
            message.prevent_default()
            self.action_fix(int(message.key))

    # The keys that apply a fix depend on the row and on who has the focus.

    def on_rows_moved(self, message: Rows.Moved) -> None:
        self._show_fixes()

    def on_descendant_focus(self) -> None:
        self._show_fixes()

    def action_fix(self, number: int) -> None:
        """Apply a change that lowers the memory, with all it sets."""
        if number >= len(self._remedies):
            return
        wanted = self._remedies[number].says
        self._catch_up()  # the list may be of before the last key
        draft = self.draft
        for remedy in self._remedies:
            for word in remedy.sets if remedy.says == wanted else ():
                path, _, text = word.partition("=")
                draft = draft.choose(path, parse(path, text))
        self._remember()
        self.take(draft)
        self.draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "fix":
            return bool(self._remedies)
        return super().check_action(action, parameters)

    # What follows from the settings.

    def settings_changed(self) -> None:
        self._estimate()
        self._seek()
        self._simulate()

    def edit_ended(self) -> None:
        self._seek()

    def _count(self) -> None:
        """Wait for the count of tokens that the data step began, or begin it."""
        found = self.draft.inspection
        if found is None or found.tokens is not None:
            return
        with suppress(TailfinError):  # the data step says why
            counting = self.draft.counting or count_tokens(self.draft)
            if counting is not None:
                self.change(replace(self.draft, counting=counting))
                self.ask("tokens", counting.result)

    def _estimate(self) -> None:
        need = best_memory_of(self.draft, self._resolved.spec)
        self._need = need if need is not None else self._need

    @property
    def _wish(self) -> Wish | None:
        """What there should be a simulation of now."""
        return wish_of(self.draft, self._resolved.spec) if self._fault is None else None

    def _simulate(self) -> None:
        """Have the settings as they are simulated; the newest of many keys alone."""
        wish, simulator = self._wish, self.draft.simulator
        if wish is None or simulator.known(wish) is not None:
            return
        if self._is_simulating:
            simulator.supersede()
            return
        self._is_simulating = True
        self.ask("simulation", lambda: simulator.answer(wish))

    @property
    def _question(self) -> Question:
        """What there should be advice on now."""
        return Question(self.draft, bool(self._editing))

    def _seek(self) -> None:
        """Seek advice after the key: many estimates, for the newest of many keys alone."""
        if self._asked is not None or self._fault is not None or self._question == self._advised:
            return
        self._asked = self._question
        self.ask("advice", self._asked.answer)

    def _take_answer(self, value: object) -> None:
        asked, self._asked = self._asked, None
        if asked != self._question:
            self._seek()
        elif isinstance(value, Advice):
            self._take_advice(value)

    def _catch_up(self) -> None:
        """Have the advice for what stands there now, before anything is built on it."""
        if self._fault is not None or self._question == self._advised:
            return
        self.forget("advice")
        self._asked = None
        self._estimate()
        with suppress(TailfinError):  # said where the settings are changed
            self._take_advice(self._question.answer())

    def _take_advice(self, found: Advice) -> None:
        if found.suggestions != self.draft.suggestions:
            draft = replace(self.draft, suggestions=found.suggestions)
            self._resolved = draft.resolve(placeholders=True)
            self.change(draft)
            self._estimate()
            self._simulate()
        self._remedies, self._advised = found.remedies, self._question

    # Drawing.

    def draw(self) -> None:
        super().draw()
        if self.is_there:
            self._show_memory()

    def _show_memory(self) -> None:
        width = max(self.size.width - 2, 20)
        self.query_one("#memory", Sheet).show(self._memory(width))
        fixes = self.query_one("#fixes", Rows)
        fixes.display = bool(self._remedies)
        fixes.styles.height = len(self._remedies)
        self._show_fixes()

    def _show_fixes(self) -> None:
        if not self.is_there:
            return
        row = self.query_one(SettingRows)
        is_here = self.screen.focused is row and bool(row.key)
        takes_digits = is_here and describe(row.key).takes_digits
        keys = FIX_KEYS[1 if takes_digits else 0]
        self.query_one("#fixes", Rows).fill(
            [
                Row(str(number), remedy_line(one, keys[number]))
                for number, one in enumerate(self._remedies)
            ]
        )

    def _memory(self, width: int) -> list[Line]:
        need = self._need
        if isinstance(need, TailfinError):
            return wrapped(f"{need.message} {need.hint}", width, "warn")
        if need is None:
            return [line("Memory: the model and the box are being looked at ...")]
        is_tall = self.size.height >= _TALL
        # Without colour the parts are told apart by letters.
        letters = self.tailfin.ascii_only or self.app.no_color
        has_room = is_tall or (self.is_roomy and not self._remedies)
        drawn = memory_lines(need, width, ascii_only=letters, legend=has_room)
        told = simulated_said(need, self.draft, self._wish, is_under_way=self._is_simulating)
        drawn += wrapped(told, width, "dim")[:2] if has_room else [line((clip(told, width), "dim"))]
        says = phases_said(need) if is_tall else ""
        if not self._resolved.spec.data.max_length and not row_length(self.draft)[1]:
            says += f" Tokens are not counted yet: {need.length} per row are assumed."
        return [*drawn, *wrapped(says.strip(), width, "dim")] if says and has_room else drawn
