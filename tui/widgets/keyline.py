"""The last line of a screen: the keys that do something now."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events
from textual.binding import Binding
from textual.screen import Screen

from tui.draw.line import Line, line, width_of
from tui.widgets.sheet import Sheet

# key -> how people write it
NAMES = {
    "escape": "Esc",
    "enter": "Enter",
    "question_mark": "?",
    "space": "Space",
    "plus": "+",
    "minus": "-",
    "colon": ":",
    "slash": "/",
    "tab": "Tab",
    "left": "Left",
    "right": "Right",
    "up": "Up",
    "down": "Down",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "f1": "F1",
    "f10": "F10",
    "shift+tab": "Shift+Tab",
}


class KeyLine(Sheet):
    """Keys and what they do, as many as fit; a click on one presses it."""

    DEFAULT_CSS = "KeyLine { dock: bottom; height: 1; padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._spans: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._update)
        self._update(self.screen)

    def on_resize(self) -> None:
        self._update(self.screen)

    def on_click(self, event: events.Click) -> None:
        x = event.get_content_offset_capture(self).x
        for begin, end, key in self._spans:
            if begin <= x < end:
                self.app.simulate_key(key)

    def _update(self, screen: Screen[object]) -> None:
        if screen is not self.screen or not self.content_size.width:
            return
        drawn: Line = ()
        self._spans = []
        # A widget may know better than its bindings what a key does just now.
        hints: dict[str, str] = getattr(screen.focused, "hints", {})
        for binding in _one_per_action(screen):
            key = key_name(binding)
            item = line((key, "key"), f" {hints.get(binding.action, binding.description)}")
            begin = width_of(drawn) + (2 if drawn else 0)
            if begin + width_of(item) > self.content_size.width:
                continue
            drawn = (*drawn, ("  ", ""), *item) if drawn else item
            self._spans.append((begin, width_of(drawn), binding.key))
        self.show([drawn])


def _one_per_action(screen: Screen[object]) -> Iterable[Binding]:
    """What can be done now, each by the plainest of its keys that works now.

    While somebody types, of `q,f10,ctrl+q` only the last two are left.
    """
    chosen: dict[str, Binding] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if not binding.show or not active.enabled:
            continue
        before = chosen.get(binding.action)
        if before is None or (
            before.key.startswith("ctrl+") and not binding.key.startswith("ctrl+")
        ):
            chosen[binding.action] = binding
    return chosen.values()


def key_name(binding: Binding) -> str:
    """A key as people write it: Esc, Enter, ^K."""
    if binding.key[:1] == "f" and binding.key[1:].isdigit():
        # Of `q,f10`, shown as q, only F10 is left while somebody types.
        return binding.key.upper()
    return binding.key_display or NAMES.get(binding.key, binding.key.replace("ctrl+", "^"))
