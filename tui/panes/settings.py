"""A pane of settings: each can be turned, typed over, taken back and undone, with its help."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input

from engine.errors import TailfinError
from engine.fields import describe, parse, written
from engine.settings import Resolved
from tui.draft import Draft
from tui.draw.line import BLANK, line, wrapped
from tui.panes.base import Pane
from tui.panes.setting_lines import setting_lines, short_setting_lines
from tui.widgets.paper import Paper
from tui.widgets.rows import Rows
from tui.widgets.settings import SettingRows, others, turned, value_of
from tui.widgets.sheet import Sheet
from tui.widgets.value_input import ValueInput

# Lines of a pane from which there is room for more than the verdict.
ROOMY = 18
_ABOUT_LINES = 4
# Cells of the column beside the list, as app.tcss has it.
_ABOUT_CELLS = 40
# How a message about several fields begins; what is wrong says enough here.
_PREFACE = "The spec has faults: spec: "
_MOST_UNDONE = 100


class SettingsPane(Pane):
    """Draws the settings generated from the spec; nothing in it names a setting but the profile.

    A subclass composes `setting_parts`, says in `settings_changed` what follows from a change and
    in `edit_ended` what waits for the end of one, and adds to `draw`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "all", "all settings"),
        Binding("u", "undo", "undo"),
    ]

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._fault: TailfinError | None = None
        try:
            self._resolved: Resolved = draft.resolve(placeholders=True)
        except TailfinError as error:  # shown until the settings go together
            self._resolved, self._fault = Draft().resolve(placeholders=True), error
        self._shows_all = False
        self._editing = ""
        self._before = draft
        self._past: list[Mapping[str, object]] = []

    def setting_parts(self) -> Iterable[Widget]:
        """The list, the line to type in, and what is said about the row under the cursor."""
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

    def on_mount(self) -> None:
        self.query_one("#editor").display = False

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw)

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

    def help_lines(self) -> list[str]:
        path = self._editing or self.query_one(SettingRows).key
        about = [
            "".join(text for text, _ in drawn)
            for drawn in setting_lines(path, self._resolved, self.draft, 400)
        ]
        return [
            *[text for text in about if text],
            "Values you did not choose come from the spec file, from suggestions for this box, "
            "model and data, from the profile, or are defaults; the last column says which. Left "
            "and right step through values, typing or Enter edits, u takes the last change back.",
        ]

    def settings_changed(self) -> None:
        """The draft and the settings it resolves to are new."""

    def edit_ended(self) -> None:
        """Nobody types any more."""

    # Changing settings.

    def on_rows_opened(self, message: Rows.Opened) -> None:
        message.stop()
        if describe(message.key).kind in ("choice", "switch"):
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
        self._remember()
        self.take(self.draft.forget(message.path))
        self.draw()

    def on_setting_rows_typed(self, message: SettingRows.Typed) -> None:
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
            self.take(self.draft.choose(self._editing, value))
        self.draw()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self._end_edit()

    def on_value_input_left(self, message: ValueInput.Left) -> None:
        if self._end_edit():
            self.query_one(SettingRows).action_move(message.by)

    def on_value_input_cancelled(self) -> None:
        self._fault = None
        self.take(self._before)
        self._end_edit()

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        if self._editing and isinstance(event.widget, ValueInput) and self._fault is None:
            self._close_line()

    def action_all(self) -> None:
        """Show every setting, or the essential ones."""
        self._shows_all = not self._shows_all
        self.draw()
        if self._shows_all:  # below the last line nobody would see that there are more now
            self.query_one(SettingRows).choose(others(self._resolved.spec)[0])

    def action_undo(self) -> None:
        """Take the last change back, a fix with all it set."""
        while self._past:
            choices = self._past.pop()
            if choices != self.draft.choices:
                draft = self.draft
                for path in {*choices, *draft.choices}:
                    same = path in choices and choices[path] == draft.choices.get(path)
                    if not same:
                        draft = (
                            draft.choose(path, choices[path])
                            if path in choices
                            else draft.forget(path)
                        )
                self.take(replace(draft, choices=dict(choices)))
                break
        self.draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self._past) if action == "undo" else True

    def take(self, draft: Draft) -> None:
        """Take a draft; what does not go together is kept and said."""
        self._fault = None
        try:
            self._resolved = draft.resolve(placeholders=True)
        except TailfinError as error:
            self._fault = error
        self.draft = draft
        self.settings_changed()
        self.change(self.draft)

    def _remember(self) -> None:
        """Keep the choices as they are, for an undo."""
        self._past = [*self._past[-_MOST_UNDONE + 1 :], self.draft.choices]

    def _edit(self, path: str, text: str) -> None:
        self._remember()
        self._editing, self._before = path, self.draft
        field = self.query_one("#value", ValueInput)
        self.query_one("#editor").display = True
        field.focus()
        field.value = text
        field.cursor_position = len(text)
        self.call_after_refresh(self.draw)

    def _end_edit(self) -> bool:
        """Close the line; not while what stands in it cannot be used."""
        if self._fault is not None:
            return False
        self.query_one(SettingRows).focus()
        self._close_line()
        return True

    def _close_line(self) -> None:
        self._editing = ""
        if self._past and self._past[-1] == self.draft.choices:
            self._past.pop()  # nothing was changed after all
        self.query_one("#editor").display = False
        self.edit_ended()
        self.call_after_refresh(self.draw)

    def _turn(self, path: str, by: int) -> None:
        value = self._value(path)
        wanted = turned(path, value, by)
        if wanted == value:
            return
        self._remember()
        self.take(self.draft.choose(path, wanted))
        self.draw()

    def _value(self, path: str) -> object:
        """What stands in the row, whether it goes with the others or not."""
        return self.draft.choices.get(path, value_of(self._resolved.spec, path))

    # Drawing.

    @property
    def is_roomy(self) -> bool:
        return self.size.height >= ROOMY

    def draw(self) -> None:
        """Show what is known now."""
        if not self.is_there:
            return
        self.query_one(SettingRows).show_settings(
            self._resolved, self.draft.choices, all_of_them=self._shows_all
        )
        self._show_about()
        self.refresh_bindings()

    def _show_about(self) -> None:
        is_wide = self.tailfin.size.width >= 100
        about, short = self.query_one("#about", Paper), self.query_one("#about-short", Sheet)
        about.display = is_wide
        path = self._editing or self.query_one(SettingRows).key
        width = max(self.size.width - 2, 20)
        fault = self._fault.message.removeprefix(_PREFACE) if self._fault else ""
        drawn = wrapped(fault, width, "fail")[: 2 if self.is_roomy else 1] if fault else []
        if is_wide:
            about.put(setting_lines(path, self._resolved, self.draft, _ABOUT_CELLS))
        else:
            room = _ABOUT_LINES if self.is_roomy else 1
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
