"""What stands in the shell after the screens were left while a run goes on."""

from __future__ import annotations

import signal
from contextlib import suppress

from engine.runs.store import RunFolder, name_of
from tui.start import Start

# A start that ends sooner needs no word of patience.
_PATIENCE_S = 0.5


def goes_on(run: RunFolder, name: str) -> list[str]:
    """That it goes on, and the commands for it; `name` is what they call it."""
    return [
        f"{run.id} goes on.",
        f"  Come back: tailfin attach {name}",
        f"  End it:    tailfin stop {name}",
    ]


def await_start(start: Start) -> list[str]:
    """What became of a start that was under way when the screens were left.

    Its thread would end with this process, and a run that lives on unseen costs money: so it is
    waited for and told, also where nobody can read it any more. Ctrl-C gives it up while nothing
    was made yet.
    """
    from engine.runs.state import LIVE, observe

    # A shell that dies hands its hang-up on, after the terminal's own.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        if not start.has_ended(_PATIENCE_S):
            with suppress(OSError):
                print("The run is still being checked, then it starts. Ctrl-C gives it up.")
        run = start.outcome()
    except KeyboardInterrupt:
        if start.abandon():
            return ["No run was started."]
        run = start.outcome()
    if run is not None:
        return goes_on(run, name_of(run)) if observe(run).state in LIVE else []
    if start.error is None:
        return ["No run was started."]
    return [f"No run was started: {start.error.message}", f"  do: {start.error.hint}"]
