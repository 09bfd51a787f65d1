"""The method step: every setting with its source, and the memory they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input

from engine.data.inspect import Inspection
from engine.errors import TailfinError
from engine.fields import describe, parse, written
from engine.memory.budget import Budget
from engine.memory.cards import Card
from engine.memory.model_shape import ModelShape
from engine.memory.remedies import Remedy
from engine.settings import Resolved
from tui.draft import Draft
from tui.draw.line import BLANK, Line, line, wrapped
from tui.panes.advice import Advice, Question, remedy_line
from tui.panes.base import Pane
from tui.panes.prediction import find_card, find_shape, memory_of, row_length
from tui.panes.setting_lines import setting_lines, short_setting_lines
from tui.panes.token_count import count_tokens
from tui.widgets.memory_bar import memory_lines, phases_said
from tui.widgets.paper import Paper
from tui.widgets.rows import Row, Rows
from tui.widgets.settings import SettingRows, others, turned, value_of
from tui.widgets.sheet import Sheet
from tui.widgets.value_input import ValueInput

# Lines of a pane from which there is room for more than the verdict, and for everything.
_ROOMY, _TALL = 18, 28
_ABOUT_LINES = 4
# Cells of the column beside the list, as app.tcss has it.
_ABOUT_CELLS = 40
# How a message about several fields begins; what is wrong says enough here.
_PREFACE = "The spec has faults: spec: "


class MethodPane(Pane):
    """Draws the settings generated from the spec; nothing in it names a setting but the profile."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "all", "all settings"),
        Binding("f", "fix", "apply the first fix"),
    ]

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._fault: TailfinError | None = None
        try:
            self._resolved: Resolved = draft.resolve(placeholders=True)
        except TailfinError as error:  # shown until the settings go together
            self._resolved, self._fault = Draft().resolve(placeholders=True), error
        self._need: Budget | TailfinError | None = None
        self._remedies: Sequence[Remedy] = ()
        # The advice that is being sought, and that which there is.
        self._asked: Question | None = None
        self._advised: Question | None = None
        self._shows_all = False
        self._editing = ""
        self._before = draft

    def compose(self) -> ComposeResult:
        with Horizontal(id="method"):
            yield SettingRows(id="settings")
            yield Paper(id="about")
        with Horizontal(id="editor"):
            yield Sheet(id="edit-label")
            field = ValueInput(id="value", select_on_focus=False)
            field.cursor_blink = False
            yield field
            yield Sheet(id="edit-said")
        yield Sheet(id="about-short")
        yield Sheet(id="memory")
        yield Rows(id="fixes")

    def on_mount(self) -> None:
        self.query_one("#editor").display = False
        if self.draft.card is None:
            self.ask("card", find_card)
        if self.draft.shape is None and self.draft.text("model.path"):
            draft = self.draft
            self.ask("shape", lambda: find_shape(draft))
        self._count()
        self._catch_up()
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    @property
    def stop(self) -> str:
        if self._fault is None:
            return ""
        if self._editing:
            return f"Correct this: {describe(self._editing).label}."
        return "These settings do not go together."

    def first(self) -> Widget | None:
        if not self.stop:
            return None  # the bar must not take the keys of somebody who is still typing
        return self.query_one("#value") if self._editing else self.query_one("#settings")

    def proceed(self) -> bool:
        self._catch_up()
        return True

    def help_lines(self) -> list[str]:
        path = self._editing or self.query_one(SettingRows).key
        about = [
            "".join(text for text, _ in drawn)
            for drawn in setting_lines(path, self._resolved, self.draft, 400)
        ]
        return [
            *[text for text in about if text],
            "Values you did not choose come from the spec file, from suggestions for this box, "
            "model and data, from the profile, or are defaults; the last column says which. "
            "The memory below is an estimate, made anew with every key.",
        ]

    def answered(self, question: str, value: object) -> None:
        match question, value:
            case "card", Card():
                self._change(replace(self.draft, card=value))
            case "shape", ModelShape():
                self._change(replace(self.draft, shape=value))
            case (("card" | "shape"), TailfinError()):
                self._need = value
            case "tokens", Inspection():
                self._change(replace(self.draft, inspection=value, counting=None))
            case "advice", _:
                self._take_answer(value)
        self._draw()

    # Changing settings.

    def on_rows_opened(self, message: Rows.Opened) -> None:
        message.stop()
        if message.rows.id == "fixes":
            self._apply(int(message.key))
        elif describe(message.key).kind in ("choice", "switch"):
            self._turn(message.key, 1)
        else:
            self._edit(message.key, written(self._value(message.key)))

    def on_rows_moved(self, message: Rows.Moved) -> None:
        message.stop()
        self._show_about()
        self.refresh_bindings()

    def on_setting_rows_turned(self, message: SettingRows.Turned) -> None:
        self._turn(message.path, message.by)

    def on_setting_rows_taken_back(self, message: SettingRows.TakenBack) -> None:
        self._change(self.draft.forget(message.path))
        self._draw()

    def on_setting_rows_typed(self, message: SettingRows.Typed) -> None:
        if describe(message.path).kind in ("integer", "number"):
            self._edit(message.path, message.text)

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        if not self._editing or not message.input.has_focus:
            return
        try:
            value = parse(self._editing, message.value)
        except TailfinError as error:
            self._fault = error
            self.announce()
        else:
            self._change(self.draft.choose(self._editing, value))
        self._draw()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self._end_edit()

    def on_value_input_left(self, message: ValueInput.Left) -> None:
        if self._end_edit():
            self.query_one(SettingRows).action_move(message.by)

    def on_value_input_cancelled(self) -> None:
        self._fault = None
        self._change(self._before)
        self._end_edit()

    def action_all(self) -> None:
        """Show every setting, or the essential ones."""
        self._shows_all = not self._shows_all
        self._draw()
        if self._shows_all:  # below the last line nobody would see that there are more now
            self.query_one(SettingRows).choose(others(self._resolved.spec)[0])

    def action_fix(self) -> None:
        """Apply the cheapest change that lowers the memory."""
        if self._remedies:
            self._apply(0)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self._remedies) if action == "fix" else True

    def _edit(self, path: str, text: str) -> None:
        self._editing, self._before = path, self.draft
        field = self.query_one("#value", ValueInput)
        self.query_one("#editor").display = True
        field.focus()
        field.value = text
        field.cursor_position = len(text)
        self.call_after_refresh(self._draw)

    def _end_edit(self) -> bool:
        """Close the line; not while what stands in it cannot be used."""
        if self._fault is not None:
            return False
        self._editing = ""
        self.query_one(SettingRows).focus()
        self.query_one("#editor").display = False
        self._seek()
        self.call_after_refresh(self._draw)
        return True

    def _turn(self, path: str, by: int) -> None:
        self._change(self.draft.choose(path, turned(path, self._value(path), by)))
        self._draw()

    def _value(self, path: str) -> object:
        """What stands in the row, whether it goes with the others or not."""
        return self.draft.choices.get(path, value_of(self._resolved.spec, path))

    def _apply(self, number: int) -> None:
        wanted = self._remedies[number].says
        self._catch_up()  # the list may be of before the last key
        draft = self.draft
        for remedy in self._remedies:
            for word in remedy.sets if remedy.says == wanted else ():
                path, _, text = word.partition("=")
                draft = draft.choose(path, parse(path, text))
        self._change(draft)
        self._draw()

    def _change(self, draft: Draft) -> None:
        """Take a draft; what does not go together is kept and said."""
        self._fault = None
        try:
            self._resolved = draft.resolve(placeholders=True)
        except TailfinError as error:
            self._fault = error
        self.draft = draft
        self._estimate()
        self.change(draft)
        self._seek()

    # What follows from the settings.

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
        need = memory_of(self.draft, self._resolved.spec)
        self._need = need if need is not None else self._need

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
        self._remedies, self._advised = found.remedies, self._question

    # Drawing.

    def _draw(self) -> None:
        if not self.is_there:
            return
        self.query_one(SettingRows).show_settings(
            self._resolved, self.draft.choices, all_of_them=self._shows_all
        )
        self._show_about()
        self._show_memory()
        self.refresh_bindings()

    @property
    def _is_roomy(self) -> bool:
        return self.size.height >= _ROOMY

    def _show_about(self) -> None:
        is_wide = self.tailfin.size.width >= 100
        about, short = self.query_one("#about", Paper), self.query_one("#about-short", Sheet)
        about.display = is_wide
        path = self._editing or self.query_one(SettingRows).key
        width = max(self.size.width - 2, 20)
        fault = self._fault.message.removeprefix(_PREFACE) if self._fault else ""
        drawn = wrapped(fault, width, "fail")[:2] if fault else []
        if is_wide:
            about.put(setting_lines(path, self._resolved, self.draft, _ABOUT_CELLS))
        else:
            room = _ABOUT_LINES if self._is_roomy else 2
            drawn += short_setting_lines(
                path,
                self._resolved,
                self.draft,
                width,
                room=room - len(drawn),
                help_key="F1" if self._editing else "?",
            )
            drawn += [BLANK] * (room - len(drawn))
        short.show(drawn)
        if self._editing:
            field = describe(self._editing)
            self.query_one("#edit-label", Sheet).show([line(f"> {field.label:<24} ")])
            said = self.query_one("#edit-said", Sheet)
            fits = len(field.bounds) < said.content_size.width  # the fault says it whole
            said.show([line((f" {field.bounds}" if fits else "", "dim"))])

    def _show_memory(self) -> None:
        width = max(self.size.width - 2, 20)
        self.query_one("#memory", Sheet).show(self._memory(width))
        fixes = self.query_one("#fixes", Rows)
        fixes.display = bool(self._remedies)
        fixes.styles.height = len(self._remedies)
        fixes.fill([Row(str(n), remedy_line(n, one)) for n, one in enumerate(self._remedies)])

    def _memory(self, width: int) -> list[Line]:
        need = self._need
        if isinstance(need, TailfinError):
            return wrapped(f"{need.message} {need.hint}", width, "warn")
        if need is None:
            return [line("Memory: the model and the box are being looked at ...")]
        is_tall = self.size.height >= _TALL
        # Without colour the parts are told apart by letters.
        letters = self.tailfin.ascii_only or self.app.no_color
        has_room = is_tall or (self._is_roomy and not self._remedies)
        drawn = memory_lines(need, width, ascii_only=letters, legend=has_room)
        says = phases_said(need) if is_tall else ""
        if not self._resolved.spec.data.max_length and not row_length(self.draft)[1]:
            says += f" Tokens are not counted yet: {need.length} per row are assumed."
        return [*drawn, *wrapped(says.strip(), width, "dim")] if says and has_room else drawn

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        if self._editing and isinstance(event.widget, ValueInput) and self._fault is None:
            self._editing = ""
            self.query_one("#editor").display = False
            self._seek()
            self.call_after_refresh(self._draw)
