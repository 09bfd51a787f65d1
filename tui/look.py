"""Colours: one dark and one light theme, chosen from the 256 colours that SSH passes on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from rich.style import Style
from textual.theme import Theme

# Every colour is one of the xterm 256, so that a terminal without true colour shows the same.
DARK = Theme(
    name="tailfin-dark",
    primary="#5fafd7",
    secondary="#87afaf",
    accent="#ffaf5f",
    success="#87d787",
    warning="#ffd75f",
    error="#ff8787",
    foreground="#dadada",
    background="#121212",
    surface="#1c1c1c",
    panel="#262626",
    dark=True,
)
LIGHT = Theme(
    name="tailfin-light",
    primary="#005f87",
    secondary="#005f5f",
    accent="#875f00",
    success="#005f00",
    warning="#875f00",
    error="#af0000",
    foreground="#1c1c1c",
    background="#ffffff",
    surface="#eeeeee",
    panel="#e4e4e4",
    dark=False,
)

# role -> the theme's colour it takes ("dim" is between foreground and background) and its style
_ROLES: dict[str, tuple[str, str]] = {
    "": ("", ""),
    "dim": ("dim", ""),
    "strong": ("", "bold"),
    "title": ("primary", "bold"),
    "key": ("accent", "bold"),
    "ok": ("success", ""),
    "info": ("primary", ""),
    "warn": ("warning", "bold"),
    "fail": ("error", "bold"),
    "skip": ("dim", ""),
    "accent": ("accent", "bold"),
    "value": ("foreground", "bold"),
    "cursor": ("", "reverse"),
    "chosen": ("", "bold reverse"),
    "curve-1": ("dim", ""),
    "curve-2": ("primary", "bold"),
    "curve-3": ("accent", "bold"),
    "part-1": ("primary", ""),
    "part-2": ("accent", ""),
    "part-3": ("success", ""),
    "part-4": ("warning", ""),
    "part-5": ("secondary", ""),
    "part-6": ("error", ""),
    "part-7": ("dim", ""),
    "over": ("error", "bold reverse"),
}
_DIM = {DARK.name: "#949494", LIGHT.name: "#626262"}


@cache
def role_styles(theme: str) -> Mapping[str, Style]:
    """Each role's style under a theme by its name.

    A table and not CSS classes: 23 classes on every line widget took a third of the time to the
    first paint.
    """
    chosen = LIGHT if theme == LIGHT.name else DARK
    return {
        role: Style.parse(f"{style} {_colour(chosen, colour)}".strip() or "none")
        for role, (colour, style) in _ROLES.items()
    }


def _colour(theme: Theme, name: str) -> str:
    if not name:
        return ""
    return _DIM[theme.name] if name == "dim" else str(getattr(theme, name))
