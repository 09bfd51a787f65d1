"""Work in a daemon thread: its result, its error, and an app that no longer waits."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tui.threads import in_thread


def fail() -> int:
    raise OSError("no such drive")


def test_it_returns_and_raises_what_the_work_did() -> None:
    async def play() -> None:
        assert await in_thread(lambda: threading.current_thread().daemon) is True
        with pytest.raises(OSError, match="no such drive"):
            await in_thread(fail)

    asyncio.run(play())


def test_a_loop_that_has_ended_is_not_waited_for() -> None:
    release, done = threading.Event(), threading.Event()

    def work() -> None:
        release.wait(20)
        done.set()

    async def play() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(in_thread(work), 0.01)

    asyncio.run(play())
    assert not done.is_set()
    release.set()
    assert done.wait(20)
