"""The one list of the app: cursor, headings, scrolling, and what a key costs."""

from __future__ import annotations

import asyncio

from textual.app import App, ComposeResult
from textual.geometry import Region

from tui.draw.line import line
from tui.widgets.rows import Row, Rows


class _List(App[None]):
    def __init__(self, rows: list[Row]) -> None:
        super().__init__()
        self.made = rows
        self.opened: list[str] = []
        self.moved: list[str] = []

    def compose(self) -> ComposeResult:
        yield Rows(self.made)

    def on_mount(self) -> None:
        self.query_one(Rows).focus()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        self.opened.append(message.key)

    def on_rows_moved(self, message: Rows.Moved) -> None:
        self.moved.append(message.key)


def _numbered(count: int) -> list[Row]:
    return [Row(str(n), line(f"row {n}")) for n in range(count)]


def _shown(app: App[None]) -> list[str]:
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


def test_the_cursor_skips_headings_and_stops_at_the_ends() -> None:
    rows = [Row("h1", line("one"), True), *_numbered(2), Row("h2", line("two"), True)]
    app = _List(rows)

    async def play() -> None:
        async with app.run_test(size=(20, 6)) as pilot:
            assert app.query_one(Rows).key == "0"
            await pilot.press("down", "down", "down")
            assert app.query_one(Rows).key == "1"
            await pilot.press("home", "enter")
            assert app.opened == ["0"]

    asyncio.run(play())


def test_a_long_list_scrolls_and_says_so() -> None:
    app = _List(_numbered(100))

    async def play() -> None:
        async with app.run_test(size=(20, 10)) as pilot:
            await pilot.press("end")
            await pilot.pause()
            assert _shown(app)[-1] == "> row 99" and _shown(app)[0] == "^ row 90"
            await pilot.press("home")
            await pilot.pause()
            assert _shown(app)[0] == "> row 0" and _shown(app)[-1] == "v row 9"
            await pilot.press("pagedown")
            await pilot.pause()
            assert "> row 9" in _shown(app)

    asyncio.run(play())


def test_new_rows_keep_the_cursor_on_what_it_was_on() -> None:
    app = _List(_numbered(5))

    async def play() -> None:
        async with app.run_test(size=(20, 10)) as pilot:
            await pilot.press("down", "down")
            rows = app.query_one(Rows)
            rows.fill([Row("new", line("new")), *_numbered(5)])
            assert rows.key == "2" and rows.cursor == 3
            rows.fill([Row("other", line("other"))])
            assert rows.key == "other"
            rows.fill([])
            assert rows.key == ""
            await pilot.press("down", "enter", "end", "pageup")  # nothing to break

    asyncio.run(play())


def test_a_click_chooses_and_a_second_one_opens() -> None:
    app = _List(_numbered(5))

    async def play() -> None:
        async with app.run_test(size=(20, 10)) as pilot:
            await pilot.click(Rows, offset=(3, 2))
            assert app.query_one(Rows).key == "2" and app.opened == []
            await pilot.click(Rows, offset=(3, 2))
            assert app.opened == ["2"]

    asyncio.run(play())


def test_a_move_repaints_both_rows_from_end_to_end() -> None:
    """The mark alone differs in their text, but the one is drawn reversed and the other no more."""
    app = _List(_numbered(5))

    async def play() -> None:
        async with app.run_test(size=(20, 10)) as pilot:
            rows = app.query_one(Rows)
            await pilot.pause()
            painted: list[Region] = []
            rows.refresh = lambda *regions, **_: painted.extend(regions)  # type: ignore[method-assign,assignment]
            await pilot.press("down")
            assert {Region(0, 0, 20, 1), Region(0, 1, 20, 1)} <= set(painted)

    asyncio.run(play())


def test_the_mark_follows_the_focus() -> None:
    """It was drawn from what held before the focus came: `-` in the list that took the keys."""

    class Two(App[None]):
        def compose(self) -> ComposeResult:
            yield Rows([Row("a", line("one"))], id="first")
            yield Rows([Row("b", line("two"))], id="second")

    async def play() -> None:
        app = Two()
        async with app.run_test() as pilot:
            first, second = app.query_one("#first", Rows), app.query_one("#second", Rows)
            first.focus()
            await pilot.pause()
            assert (first.text[0], second.text[0]) == (">", "-")
            await pilot.press("tab")
            await pilot.pause()
            assert (first.text[0], second.text[0]) == ("-", ">")

    asyncio.run(play())
