"""Every setting as a row: its label, its value, and who said so; keys change it in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from engine.fields import ESSENTIAL, all_fields, applies, describe, parse, written
from engine.settings import Resolved
from engine.spec import Spec
from tui.draft import YOU
from tui.draw.line import clip, clip_start, line, padded
from tui.widgets.ladder import stepped
from tui.widgets.rows import Row, Rows

# Sections in the words of a form; what the model and data steps ask for is not asked here again.
_SECTIONS = {
    "model": "How the model is loaded",
    "data": "How the data is cut",
    "train": "Method and optimisation",
    "eval": "Held-out loss",
    "save": "Checkpoints",
}
_ELSEWHERE = ("model.path", "data.path", "data.eval_path", "data.columns", "data.format")
_LABEL = 24
_VALUE, _SHORT_VALUE = 18, 13
# Cells from which a long value and its source both have room.
_ROOMY = 64


class SettingRows(Rows):
    """Left and right step through values, typing or Enter edits, Delete takes back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "edit"),
        Binding("left", "turn(-1)", "turn", key_display="Left/Right"),
        Binding("right", "turn(1)", "turn", show=False),
        Binding("delete,backspace", "take_back", "take back", key_display="Del"),
    ]

    @dataclass
    class Turned(Message):
        """The next or the earlier value of a choice is wanted."""

        path: str
        by: int

    @dataclass
    class TakenBack(Message):
        """The person's own value is to go."""

        path: str

    @dataclass
    class Typed(Message):
        """Somebody began to type a value over the row."""

        path: str
        text: str

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._sources: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._shown: tuple[Resolved, Mapping[str, object], bool] | None = None

    def on_resize(self) -> None:
        """Textual calls this beside the list's own: the columns depend on the width."""
        if self._shown is not None:
            resolved, choices, all_of_them = self._shown
            self.show_settings(resolved, choices, all_of_them=all_of_them)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that do nothing on this row are not offered."""
        if action == "turn":
            return bool(self.key) and describe(self.key).kind not in ("text", "table")
        if action == "take_back":
            return self._sources.get(self.key) == YOU
        return True

    def action_turn(self, by: int) -> None:
        if self.key:
            self.post_message(self.Turned(self.key, by))

    def action_take_back(self) -> None:
        if self.key:
            self.post_message(self.TakenBack(self.key))

    def on_key(self, event: events.Key) -> None:
        character = event.character or ""
        is_digit = len(character) == 1 and (character.isdigit() or character in ".-")
        if self.key and is_digit and describe(self.key).takes_digits:
            event.stop()
            event.prevent_default()
            self.post_message(self.Typed(self.key, character))

    def show_settings(
        self, resolved: Resolved, choices: Mapping[str, object], *, all_of_them: bool
    ) -> None:
        """Draw them; what cannot matter with the others as they are is left out.

        `choices` are the person's own: where they do not go together there is no spec with them,
        and `resolved` is an earlier one.
        """
        self._shown = (resolved, choices, all_of_them)
        spec = resolved.spec
        self._sources = {**resolved.sources, **dict.fromkeys(choices, YOU)}
        self._values = {path: written(value) for path, value in choices.items()}
        rows = [self._row(path, spec) for path in essential(spec)]
        if all_of_them:
            for section, title in _SECTIONS.items():
                paths = [path for path in others(spec) if describe(path).section == section]
                if paths:
                    rows.append(Row(f"section:{section}", line((title, "title")), is_heading=True))
                    rows += [self._row(path, spec) for path in paths]
        self.fill(rows)

    def _row(self, path: str, spec: Spec) -> Row:
        field, source = describe(path), self._sources[path]
        text = self._values.get(path) or written(value_of(spec, path)) or "none"
        width = self.content_size.width - 2
        values = _VALUE if width >= _ROOMY else _SHORT_VALUE
        room = max(width - _LABEL - values - 2, 0)
        value = line((padded(text, values), "" if source == "default" else "value"))
        told = clip_start(source, room) if "/" in source else clip(source, room)
        return Row(path, (*line(f"{field.label:<{_LABEL}} "), *value, *line((f" {told}", "dim"))))


def essential(spec: Spec) -> list[str]:
    """What most people change, as far as it matters now: the profile first."""
    first = ["profile", *(path for path in ESSENTIAL if path != "profile")]
    return [path for path in first if applies(path, spec)]


def others(spec: Spec) -> Sequence[str]:
    """The rest of the settings that matter now, in declaration order."""
    return [
        field.path
        for field in all_fields()
        if field.path not in (*ESSENTIAL, *_ELSEWHERE) and applies(field.path, spec)
    ]


def value_of(spec: Spec, path: str) -> object:
    """The value at a dotted path."""
    value: object = spec
    for name in path.split("."):
        value = getattr(value, name)
    return value


def turned(path: str, now: object, by: int) -> object:
    """The value `by` turns on from this one; of a text the value itself."""
    field = describe(path)
    if field.takes_digits:
        return stepped(path, now, by)
    if field.kind == "switch":
        return not now
    if field.kind != "choice":
        return now
    at = field.choices.index(written(now)) if written(now) in field.choices else -by
    return parse(path, field.choices[(at + by) % len(field.choices)])
