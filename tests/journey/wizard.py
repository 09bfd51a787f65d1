"""Leads a terminal through the wizard by Enter, reading each step as it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Screened(Protocol):
    """A terminal that shows a screen and takes keys: tests/tmux.py or tests/terminal.py."""

    @property
    def text(self) -> str: ...
    def keys(self, *names: str) -> None: ...
    def wait_for(self, wanted: str | Callable[[str], bool], timeout_s: float = 10) -> object: ...


# What the bar of each step says; what is in the way of Enter would stand behind it.
FORWARD = {
    "box": "[ Continue to the base model ]",
    "model": "[ Continue to the data ]",
    "data": "[ Continue to the method ]",
    "method": "[ Continue ]",
    "review": "[ Start training ]",
}
# Generous: on a busy box the checks start several Python processes.
PATIENCE_S = 60.0


def go_to(terminal: Screened, step: str, *, since: str = "box") -> str:
    """Press Enter through the steps from `since` to `step`; returns what its screen shows then."""
    names = list(FORWARD)
    for name in names[names.index(since) :]:
        await_step(terminal, name)
        if name == step:
            return terminal.text
        terminal.keys("enter")
    raise ValueError(f"no step is called {step}")


def await_step(terminal: Screened, step: str) -> None:
    """Wait until Enter leads on from a step."""

    def is_free(text: str) -> bool:
        return any(line.rstrip().endswith(FORWARD[step]) for line in text.splitlines())

    terminal.wait_for(is_free, PATIENCE_S)


def choose_epochs(terminal: Screened, epochs: str) -> None:
    """In the method step: type a number over the epochs, and go back to the bar."""
    terminal.keys("tab")
    terminal.wait_for("> profile")
    for _ in range(3):
        terminal.keys("down")
    terminal.wait_for("> epochs")
    terminal.keys(*epochs)
    terminal.wait_for(lambda text: f"epochs                   {epochs} " in text)
    terminal.keys("enter")
    terminal.wait_for(lambda text: "Enter edit" in text.splitlines()[-1])
    terminal.keys("tab")
    terminal.wait_for("> [ Continue ]")
