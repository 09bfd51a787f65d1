"""A growing text: its end is seen, reading further up is left alone, and it scrolls seldom."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tui.draw.line import Line, line
from tui.widgets.transcript import Transcript

HEIGHT = 8


class _Reading(App[None]):
    def compose(self) -> ComposeResult:
        yield Transcript()

    @property
    def paper(self) -> Transcript:
        return self.query_one(Transcript)


def _lines(count: int) -> list[Line]:
    return [line(f"line {number}") for number in range(count)]


def _seen(app: _Reading) -> list[str]:
    return app.paper.text.splitlines()


def _read(act: Callable[[_Reading, Pilot[None]], Awaitable[None]]) -> None:
    async def play() -> None:
        app = _Reading()
        async with app.run_test(size=(30, HEIGHT)) as pilot:
            await act(app, pilot)

    asyncio.run(play())


def test_the_end_is_seen_and_all_of_it_where_it_fits() -> None:
    async def act(app: _Reading, pilot: Pilot[None]) -> None:
        app.paper.put(_lines(3))
        assert _seen(app) == ["line 0", "line 1", "line 2"]
        app.paper.put(_lines(40))
        assert _seen(app) == [f"line {number}" for number in range(32, 40)]

    _read(act)


def test_a_growing_text_moves_by_half_a_screen_and_its_last_line_is_always_there() -> None:
    async def act(app: _Reading, pilot: Pilot[None]) -> None:
        tops = []
        for count in range(1, 60):
            app.paper.put(_lines(count), is_growing=True)
            assert _seen(app)[-1] == f"line {count - 1}"
            tops.append(_seen(app)[0])
        moves = sum(before != after for before, after in pairwise(tops))
        assert moves <= 60 // (HEIGHT // 2) + 1

    _read(act)


def test_reading_further_up_is_left_alone_until_the_end_is_asked_for() -> None:
    async def act(app: _Reading, pilot: Pilot[None]) -> None:
        app.paper.put(_lines(40))
        app.paper.scroll_pages(-1)
        seen = _seen(app)
        assert seen[0] == "line 26" and "more lines: PgDn" in seen[-1]
        app.paper.put(_lines(50), is_growing=True)
        assert _seen(app)[:-1] == seen[:-1]
        app.paper.scroll_lines(-1000)
        assert _seen(app)[0] == "line 0"
        app.paper.follow()
        assert _seen(app)[-1] == "line 49"
        app.paper.scroll_lines(-3)
        app.paper.scroll_lines(1000)  # down to the end follows again
        app.paper.put(_lines(60))
        assert _seen(app)[-1] == "line 59"

    _read(act)


def test_a_new_and_shorter_text_begins_at_its_top() -> None:
    async def act(app: _Reading, pilot: Pilot[None]) -> None:
        app.paper.put(_lines(40))
        app.paper.put(_lines(2))
        assert _seen(app) == ["line 0", "line 1"]

    _read(act)
