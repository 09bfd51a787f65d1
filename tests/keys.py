"""Keys by the names Textual gives them: what a terminal sends for each, and tmux's word for it."""

from __future__ import annotations

from collections.abc import Iterator

_SEQUENCES = {
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "insert": "\x1b[2~",
    "delete": "\x1b[3~",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "enter": "\r",
    "escape": "\x1b",
    "backspace": "\x7f",
    "space": " ",
    "f1": "\x1bOP",
    "f2": "\x1bOQ",
    "f3": "\x1bOR",
    "f4": "\x1bOS",
    "f5": "\x1b[15~",
    "f6": "\x1b[17~",
    "f7": "\x1b[18~",
    "f8": "\x1b[19~",
    "f9": "\x1b[20~",
    "f10": "\x1b[21~",
}
_TMUX = {
    "insert": "IC",
    "delete": "DC",
    "pageup": "PPage",
    "pagedown": "NPage",
    "shift+tab": "BTab",
    "backspace": "BSpace",
}
# xterm numbers modifiers in the sequences of cursor keys: 1 + shift 1 + alt 2 + ctrl 4.
_MODIFIERS = {"shift": 2, "alt": 3, "ctrl": 5}
_CURSOR = {"up": "A", "down": "B", "right": "C", "left": "D", "home": "H", "end": "F"}


def sequence(key: str) -> str:
    """What a terminal sends for a key: `a`, `down`, `ctrl+c`, `shift+up`, `f10`.

    Raises ValueError for a name that no key has.
    """
    if key in _SEQUENCES or len(key) == 1:
        return _SEQUENCES.get(key, key)
    modifier, _, rest = key.partition("+")
    if modifier == "ctrl" and len(rest) == 1 and rest.isascii() and rest.isalpha():
        return chr(ord(rest.lower()) - ord("a") + 1)
    if modifier in _MODIFIERS and rest in _CURSOR:
        return f"\x1b[1;{_MODIFIERS[modifier]}{_CURSOR[rest]}"
    raise ValueError(f"no key is called {key!r}; known: {', '.join(key_names())}")


def tmux_name(key: str) -> str:
    """The word `tmux send-keys` has for a key longer than one character; ValueError as above."""
    sequence(key)
    modifier, plus, rest = key.partition("+")
    if key in _TMUX:
        return _TMUX[key]
    if plus and modifier in _MODIFIERS:
        return f"{modifier[0].upper()}-{rest.capitalize() if len(rest) > 1 else rest}"
    return key.capitalize()


def key_names() -> Iterator[str]:
    """Every name that is not a plain character, without the combinations."""
    yield from _SEQUENCES
