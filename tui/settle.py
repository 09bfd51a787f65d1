"""Holds painting while a screen finds its shape: over SSH each half-made state is a whole frame."""

from __future__ import annotations

from typing import Any

from textual.app import App

SETTLE_S = 0.1
_PASSES = 4


def settle(app: App[Any]) -> None:
    """Paint nothing for a tenth of a second, but lay out: then the screen is painted once.

    A pane that is mounted draws its lines when it knows its width, and those lines change its
    height; textual paints after each of these rounds, and lays nothing out while it must not paint.
    """
    app.delay_update(SETTLE_S)
    for number in range(1, _PASSES):
        app.set_timer(SETTLE_S * number / _PASSES, lambda: _lay_out(app))


def _lay_out(app: App[Any]) -> None:
    if not app.screen_stack:  # the app has ended in the meantime
        return
    screen = app.screen
    # What textual 8.2.8 does in Screen._on_timer_update, without its paint.
    if app._batch_count and screen.is_attached and screen._layout_required:
        screen._layout_required = False
        screen._refresh_layout()
