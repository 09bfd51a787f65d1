"""Where a person can be: one function per screen, which is imported when it is first opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.runs.store import RunFolder
from tui.options import Opening

if TYPE_CHECKING:
    from tui.screens.base import TailfinScreen


def first(opening: Opening) -> TailfinScreen:
    """The screen the command line named."""
    run = opening.run
    if run is not None:
        return replay(run, opening.speed) if opening.place == "replay" else monitor(run)
    return demo() if opening.place == "demo" else home()


def home() -> TailfinScreen:
    """The list of runs."""
    from tui.screens.home import HomeScreen

    return HomeScreen()


def wizard() -> TailfinScreen:
    """A new run from nothing."""
    from tui.draft import Draft
    from tui.screens.wizard import WizardScreen

    return WizardScreen(Draft())


def demo() -> TailfinScreen:
    """The wizard with the embedded model and data filled in."""
    from tui.draft import demo_draft
    from tui.screens.wizard import WizardScreen

    return WizardScreen(demo_draft())


def monitor(run: RunFolder) -> TailfinScreen:
    """A run as its folder tells it, at work or ended."""
    from tui.feed import LiveFeed
    from tui.screens.monitor import MonitorScreen

    return MonitorScreen(LiveFeed(run))


def replay(run: RunFolder, speed: float) -> TailfinScreen:
    """A recorded run, `speed` times as fast as it was."""
    from tui.feed import ReplayFeed
    from tui.screens.monitor import MonitorScreen

    return MonitorScreen(ReplayFeed(run, speed=speed))


def result(run: RunFolder, *, has_chatted: bool = False) -> TailfinScreen:
    """What a run delivered."""
    from tui.screens.result import ResultScreen

    return ResultScreen(run, has_chatted=has_chatted)


def comparison(run: RunFolder) -> TailfinScreen:
    """Base against tuned, as measured last."""
    from tui.screens.compare import CompareScreen

    return CompareScreen(run)


def failure(run: RunFolder) -> TailfinScreen:
    """Why a run ended."""
    from tui.screens.failure import FailureScreen

    return FailureScreen(run)


def chat(run: RunFolder) -> TailfinScreen:
    """Base and tuned model to talk to."""
    from tui.screens.chat import ChatScreen

    return ChatScreen(run)
