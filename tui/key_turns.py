"""Keys in their turn: one is done with before the next one is looked at.

Over a link that lags, keys arrive in heaps. Textual sends each to what has the focus at its
arrival and runs what is bound to it only after it bubbled up to the app: in one heap, `16` typed
over a setting became `6`, Ctrl+U deleted what was typed after it, and Down followed by a digit
changed the setting above.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

# A key bubbles up and its action runs; messages of that bubble up; focus moves after those.
_ROUNDS = 3
# What takes longer than this no longer holds up the next key, such as Ctrl+C.
_PATIENCE_S = 0.25


class KeyTurns:
    """Holds the keys and pastes of one app back until their turn."""

    def __init__(self, app: App[list[str]]) -> None:
        self._app = app
        self._waiting: asyncio.Queue[events.Event] = asyncio.Queue()
        self._in_turn: events.Event | None = None
        self._task: asyncio.Task[None] | None = None

    def holds_back(self, event: events.Event) -> bool:
        """Take an event that came from the terminal; False when its turn has come."""
        if event is self._in_turn or event.is_forwarded:
            return False
        if not isinstance(event, events.Key | events.Paste):
            return False
        if self._task is None:
            self._task = asyncio.create_task(self._take_turns())
        self._waiting.put_nowait(event)
        return True

    async def _take_turns(self) -> None:
        while True:
            self._in_turn = await self._waiting.get()
            self._app.post_message(self._in_turn)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_done_with(), _PATIENCE_S)

    async def _is_done_with(self) -> None:
        """Follow the way of an event, from what has the focus up to the app, as often as needed."""
        for _ in range(_ROUNDS):
            await _has_passed(self._app)
            for pump in (self._app.focused or self._app.screen).ancestors_with_self:
                await _has_passed(pump)


async def _has_passed(pump: MessagePump) -> None:
    """Wait until it has dealt with all that was sent to it before."""
    done = asyncio.Event()
    if pump.call_later(done.set):
        await done.wait()
