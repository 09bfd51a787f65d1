"""Colours: one dark and one light theme, chosen from the 256 colours that SSH passes on."""

from __future__ import annotations

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
