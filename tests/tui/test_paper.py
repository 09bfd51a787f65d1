"""Text to read: it scrolls to its last line, and takes the focus only where it must."""

from __future__ import annotations

import asyncio

import pytest
from textual.app import App, ComposeResult

from tui.draw.line import line
from tui.widgets.paper import Paper


class _Page(App[None]):
    def compose(self) -> ComposeResult:
        yield Paper()


def _lines(count: int) -> list[tuple[tuple[str, str], ...]]:
    return [line(f"line {n}") for n in range(count)]


@pytest.mark.parametrize(
    ("count", "height"), [(0, 5), (4, 5), (5, 5), (6, 5), (7, 5), (20, 5), (9, 2)]
)
def test_every_line_is_seen_on_the_way_down(count: int, height: int) -> None:
    app = _Page()

    async def play() -> None:
        async with app.run_test(size=(50, height)) as pilot:
            paper = app.query_one(Paper)
            paper.put(_lines(count))
            await pilot.pause()
            assert paper.can_focus == (count > height)
            seen = set(paper.text.splitlines())
            if paper.can_focus:
                paper.focus()
                for _ in range(count + 2):
                    await pilot.press("down")
                    seen |= set(paper.text.splitlines())
                assert paper.text.splitlines()[-1] == "End. Up goes back"
                await pilot.press(*["pageup"] * (count + 2))
                assert paper.text.startswith("line 0\n")
            assert {f"line {n}" for n in range(count)} <= seen

    asyncio.run(play())


def test_what_does_not_fit_is_counted_and_other_text_begins_at_its_beginning() -> None:
    app = _Page()

    async def play() -> None:
        async with app.run_test(size=(50, 5)) as pilot:
            paper = app.query_one(Paper)
            paper.put(_lines(9))
            await pilot.pause()
            assert paper.text.splitlines()[-1] == "5 more lines: PgDn to read on"
            paper.focus()
            await pilot.press("down", "down")
            assert paper.text.startswith("line 2\n")
            assert "3 more lines: Up and Down" in paper.text
            paper.put(_lines(9))
            assert paper.text.startswith("line 2\n"), "the same text stays where it was read"
            paper.put([*_lines(9), line("one more")])
            assert paper.text.startswith("line 0\n")
            await pilot.resize_terminal(50, 20)
            await pilot.pause()
            assert paper.text.endswith("one more")
            assert not paper.can_focus

    asyncio.run(play())
