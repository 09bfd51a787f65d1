"""Keys that a lagging link delivers in one heap do what they do one by one."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from tui.app import TailfinApp


class _Fields(Screen[None]):
    """Two fields; Enter in one goes to the other, as in every form here."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f5", "slow", "slow")]

    def compose(self) -> ComposeResult:
        yield Input(id="first", select_on_focus=False)
        yield Input(id="second", select_on_focus=False)

    def on_mount(self) -> None:
        self.query_one("#first").focus()

    def on_input_submitted(self) -> None:
        self.focus_next()

    async def action_slow(self) -> None:
        await asyncio.sleep(1.5)


def _after(*heap: events.Event) -> list[str]:
    """What stands in both fields after all of it arrived at once."""

    async def play() -> list[str]:
        app = TailfinApp()
        async with app.run_test() as pilot:
            await app.push_screen(_Fields())
            await _settled(pilot)
            for event in heap:
                app.post_message(event)
            await _settled(pilot)
            return [app.screen.query_one(f"#{name}", Input).value for name in ("first", "second")]

    return asyncio.run(play())


async def _settled(pilot: Pilot[list[str]]) -> None:
    for _ in range(10):
        await pilot.pause(0.02)


def _keys(*names: str) -> list[events.Event]:
    return [events.Key(name, name if len(name) == 1 else None) for name in names]


@pytest.mark.parametrize(
    ("keys", "fields"),
    [
        (("1", "6"), ["16", ""]),
        (("a", "b", "left", "c"), ["acb", ""]),
        (("o", "l", "d", "ctrl+u", "n", "e", "w"), ["new", ""]),
        (("a", "enter", "b"), ["a", "b"]),
        (("a", "tab", "b", "shift+tab", "c", "enter", "d"), ["ac", "bd"]),
    ],
)
def test_a_heap_of_keys_is_taken_one_by_one(keys: tuple[str, ...], fields: list[str]) -> None:
    assert _after(*_keys(*keys)) == fields


def test_a_paste_waits_for_the_keys_before_it() -> None:
    assert _after(*_keys("x", "ctrl+u"), events.Paste("/a/path"), *_keys("s")) == ["/a/paths", ""]


def test_what_takes_long_holds_no_key_up_for_ever() -> None:
    """The action still sleeps when the letter is typed; Ctrl+C must get through as well."""

    async def play() -> None:
        app = TailfinApp()
        async with app.run_test() as pilot:
            await app.push_screen(_Fields())
            await _settled(pilot)
            for event in _keys("f5", "ctrl+c"):
                app.post_message(event)
            for _ in range(60):
                if app._exit:
                    return
                await asyncio.sleep(0.05)
            raise AssertionError("Ctrl+C never got through")

    asyncio.run(play())
