"""The method step: every setting with its source, and the memory they add up to."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
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
from tui.draft import SUGGESTED, YOU, Draft
from tui.draw.line import BLANK, Line, line, wrapped
from tui.panes.base import Pane
from tui.panes.token_count import count_tokens
from tui.widgets.memory_bar import gib, memory_lines
from tui.widgets.paper import Paper
from tui.widgets.rows import Row, Rows
from tui.widgets.settings import SettingRows, value_of
from tui.widgets.sheet import Sheet

# Rows of this many tokens are assumed while nobody has counted them.
_ASSUMED_LENGTH = 1024
_REMEDIES_AFTER_S = 0.15


class ValueInput(Input):
    """The one line in which a setting is edited; Esc takes the edit back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "as it was", priority=True, key_display="Esc"),
        Binding("up", "leave(-1)", "up", show=False),
        Binding("down", "leave(1)", "down", show=False),
    ]

    class Cancelled(Message):
        """What was typed is to go."""

    @dataclass
    class Left(Message):
        """The person went on to the row above or below."""

        by: int

    def action_cancel(self) -> None:
        self.post_message(self.Cancelled())

    def action_leave(self, by: int) -> None:
        self.post_message(self.Left(by))


class MethodPane(Pane):
    """Draws the settings generated from the spec; nothing in it names a setting but the profile."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "all", "all settings"),
        Binding("f", "fix", "apply the first fix"),
    ]

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._resolved: Resolved = draft.resolve(placeholders=True)
        self._fault: TailfinError | None = None
        self._budget: Budget | TailfinError | None = None
        self._remedies: list[Remedy] = []
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
            self.ask("card", _card)
        if self.draft.shape is None and self.draft.text("model.path"):
            self.ask("shape", lambda: _shape(self.draft))
        self._count()
        self._suggest()
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    @property
    def stop(self) -> str:
        return self._fault.message if self._fault else ""

    def first(self) -> Widget | None:
        return self.query_one("#value") if self._editing else self.query_one("#settings")

    def help_lines(self) -> list[str]:
        settings = self.query_one(SettingRows)
        lines = ["".join(text for text, _ in drawn) for drawn in self._about(settings.key, 400)]
        return [
            *[text for text in lines if text],
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
            case "shape", TailfinError():
                self._budget = value
            case "tokens", Inspection():
                self._change(replace(self.draft, inspection=value, counting=None))
        self._suggest()
        self._draw()

    # Changing settings.

    def on_rows_opened(self, message: Rows.Opened) -> None:
        message.stop()
        if message.rows.id == "fixes":
            self._apply(int(message.key))
        elif describe(message.key).kind in ("choice", "switch"):
            self._turn(message.key, 1)
        else:
            self._edit(message.key, written(value_of(self._resolved.spec, message.key)))

    def on_rows_moved(self, message: Rows.Moved) -> None:
        message.stop()
        self._show_about()

    def on_setting_rows_turned(self, message: SettingRows.Turned) -> None:
        self._turn(message.path, message.by)

    def on_setting_rows_taken_back(self, message: SettingRows.TakenBack) -> None:
        self._change(self.draft.forget(message.path))
        self._suggest()
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
            self.settle()
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
        self._suggest()
        self.call_after_refresh(self._draw)
        return True

    def _turn(self, path: str, by: int) -> None:
        field = describe(path)
        now = value_of(self._resolved.spec, path)
        value: object
        if field.kind == "switch":
            value = not now
        elif field.kind == "choice":
            at = field.choices.index(written(now)) if written(now) in field.choices else -by
            value = parse(path, field.choices[(at + by) % len(field.choices)])
        else:
            return
        self._change(self.draft.choose(path, value))
        self._suggest()
        self._draw()

    def _apply(self, number: int) -> None:
        draft = self.draft
        for word in self._remedies[number].sets:
            path, _, text = word.partition("=")
            draft = draft.choose(path, parse(path, text))
        self._change(draft)
        self._suggest()
        self._draw()

    def _change(self, draft: Draft) -> None:
        """Take a draft; what does not go together is kept and said."""
        self._fault = None
        try:
            self._resolved = draft.resolve(placeholders=True)
        except TailfinError as error:
            self._fault = error
        self._estimate(draft)
        self.change(draft)

    # What follows from the settings.

    def _count(self) -> None:
        found = self.draft.inspection
        if found is None or found.tokens is not None:
            return
        with suppress(TailfinError):
            counting = self.draft.counting or count_tokens(self.draft)
            if counting is not None:
                self.draft = replace(self.draft, counting=counting)
                self.ask("tokens", counting.result)

    def _suggest(self) -> None:
        """What suits this box, model and data, for everything that nobody chose."""
        from engine.profiles import load_profile
        from engine.settings import flatten
        from engine.suggest import suggest

        draft = self.draft
        if draft.shape is None or draft.card is None or self._fault is not None:
            self._estimate(draft)
            return
        fixed = {*draft.choices, *draft.filed}
        if profile := draft.text("profile"):
            fixed |= {path for path, _ in flatten(load_profile(profile).settings)}
        length, is_known = self._length(draft)
        if not is_known:
            fixed.add("data.max_length")
        num_rows = draft.inspection.num_rows if draft.inspection else 0
        spec = self._resolved.spec
        with suppress(TailfinError):  # the estimate says the same
            made = suggest(spec, draft.shape, length, draft.card, num_rows=num_rows, fixed=fixed)
            if made != draft.suggestions:
                self._change(replace(draft, suggestions=made))
                return
        self._estimate(draft)

    def _length(self, draft: Draft) -> tuple[int, bool]:
        """Tokens per row, and whether anybody knows."""
        chosen = draft.value("data.max_length")
        if isinstance(chosen, int) and chosen:
            return chosen, True
        tokens = draft.inspection.tokens if draft.inspection else None
        if tokens is not None:
            return tokens.suggested, True
        limit = draft.shape.max_positions if draft.shape else 0
        return min(limit or _ASSUMED_LENGTH, _ASSUMED_LENGTH), False

    def _estimate(self, draft: Draft) -> None:
        from engine.memory.estimate import estimate

        if draft.shape is None or draft.card is None:
            return
        spec = self._resolved.spec
        length = spec.data.max_length or self._length(draft)[0]
        download = draft.place.missing_bytes if draft.place else None
        try:
            self._budget = estimate(draft.shape, spec, length, draft.card, download=download)
        except TailfinError as error:
            self._budget = error
        self._remedies = []
        if isinstance(self._budget, Budget) and not (
            self._budget.fits and not self._budget.is_tight
        ):
            from engine.memory.remedies import remedies

            self._remedies = remedies(draft.shape, spec, self._budget)

    # Drawing.

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        self.query_one(SettingRows).show_settings(self._resolved, all_of_them=self._shows_all)
        self._show_about()
        self._show_memory()
        self.refresh_bindings()

    def _show_about(self) -> None:
        is_wide = self.tailfin.size.width >= 100
        about, short = self.query_one("#about", Paper), self.query_one("#about-short", Sheet)
        about.display, short.display = is_wide, not is_wide
        path = self._editing or self.query_one(SettingRows).key
        if is_wide:
            about.put(self._about(path, max(about.content_size.width, 20)))
        else:
            drawn = self._about(path, max(self.size.width - 2, 20))
            room = 2 if self.size.height < 18 else 3
            short.show([*drawn, BLANK, BLANK][:room])
        if self._editing:
            field = describe(self._editing)
            self.query_one("#edit-label", Sheet).show([line(f"> {field.label:<24} ")])
            said = (
                line((self._fault.message, "fail")) if self._fault else line((field.bounds, "dim"))
            )
            self.query_one("#edit-said", Sheet).show([said])

    def _about(self, path: str, width: int) -> list[Line]:
        if not path:
            return []
        field = describe(path)
        drawn = wrapped(f"{field.label}: {field.help}", width)
        if field.bounds or field.choices:
            drawn += wrapped(f"Allowed: {field.bounds or ', '.join(field.choices)}.", width, "dim")
        source = self._resolved.sources[path]
        said = f"From: {source}"
        if source == SUGGESTED:
            why = next((s.why for s in self.draft.suggestions if s.path == path), "")
            said = f"Suggested: {why}"
        elif source == YOU:
            said = "Yours; Del takes it back"
        drawn += wrapped(f"{said}. Default: {field.default or 'none'}.", width, "dim")
        return drawn

    def _show_memory(self) -> None:
        sheet, fixes = self.query_one("#memory", Sheet), self.query_one("#fixes", Rows)
        width = max(self.size.width - 2, 20)
        drawn: list[Line]
        budget = self._budget
        if isinstance(budget, TailfinError):
            drawn = wrapped(f"{budget.message} {budget.hint}", width)
        elif budget is None:
            drawn = [line("Memory: the model and the box are being looked at ...")]
        else:
            drawn = memory_lines(
                budget,
                width,
                ascii_only=self.tailfin.ascii_only,
                legend=self.size.height >= 18,
            )
        sheet.show(drawn)
        fixes.display = bool(self._remedies)
        fixes.fill([Row(str(n), _remedy_line(remedy)) for n, remedy in enumerate(self._remedies)])

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        if self._editing and isinstance(event.widget, ValueInput) and self._fault is None:
            self._editing = ""
            self.query_one("#editor").display = False
            self._suggest()
            self.call_after_refresh(self._draw)


def _card() -> Card:
    from engine.memory.device import this_device

    return this_device()


def _shape(draft: Draft) -> ModelShape:
    from engine.memory.model_config import read_config
    from engine.memory.model_shape import read_shape

    if draft.place is not None:
        return read_shape(draft.place.config)
    found = read_config(draft.text("model.path"), draft.text("model.revision"))
    return read_shape(found.config, where=found.where)


def _remedy_line(remedy: Remedy) -> Line:
    costs = "" if remedy.cost == "none" else f", costs {remedy.cost}"
    enough = "fits" if remedy.fits else "not enough alone"
    return line(remedy.says, (f"  {gib(remedy.peak_gib)} GiB, {enough}{costs}", "dim"))
