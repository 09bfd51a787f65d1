"""Drives the app without a terminal: size, keys, and what stands on the screen then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot

from tui.app import TailfinApp
from tui.options import Opening, Options

Act = Callable[[TailfinApp, Pilot[list[str]]], Awaitable[None]]


def drive(
    act: Act,
    *,
    size: tuple[int, int] = (80, 24),
    app: TailfinApp | None = None,
    runs: Path | None = None,
) -> None:
    """Open the app (home over `runs` unless one is given), let `act` use it, close it."""
    made = app or TailfinApp(Opening(), Options(runs=str(runs) if runs else None))

    async def play() -> None:
        async with made.run_test(size=size) as pilot:
            await act(made, pilot)

    asyncio.run(play())


def screen_lines(app: TailfinApp) -> list[str]:
    """The visible lines, right-stripped."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


def screen_text(app: TailfinApp) -> str:
    return "\n".join(screen_lines(app))


def flat_text(app: TailfinApp) -> str:
    """The screen as it stands and, below, with its lines joined by single spaces."""
    text = screen_text(app)
    return f"{text}\n{' '.join(text.split())}"


async def until(
    app: TailfinApp,
    pilot: Pilot[list[str]],
    wanted: str | Callable[[], bool],
    timeout_s: float = 20.0,
) -> None:
    """Wait until a text stands on the screen, or a condition holds; fails with the screen."""
    waited = 0.0
    # Where a sentence breaks depends on the length of the paths in it.
    met = wanted if callable(wanted) else lambda: wanted in flat_text(app)
    while not met():
        if waited > timeout_s:
            raise AssertionError(f"never came: {wanted!r}\n{screen_text(app)}")
        await pilot.pause(0.05)
        waited += 0.05
