"""What stands in the shell after the screens were left while a run goes on."""

from __future__ import annotations

import signal
from contextlib import suppress

from engine.runs.store import RunFolder, name_of
from tui.start import Start

# A start that ends sooner needs no word of patience.
_PATIENCE_S = 0.5
# Reading a big file takes minutes; a dead volume, for ever. Then how long making may take.
_CHECKING_S, _MAKING_S = 1800.0, 60.0
_UNKNOWN = ["It is not known whether the run was started.", "  See: tailfin runs list"]


def goes_on(run: RunFolder, name: str) -> list[str]:
    """That it goes on, and the commands for it; `name` is what they call it."""
    return [
        f"{run.id} goes on.",
        f"  Come back: tailfin attach {name}",
        f"  End it:    tailfin stop {name}",
    ]


def await_start(
    start: Start, *, within_s: float = _CHECKING_S, made_within_s: float = _MAKING_S
) -> list[str]:
    """What became of a start that was under way when the screens were left.

    Its thread would end with this process, and a run that lives on unseen costs money: so it is
    waited for and told, also where nobody can read it any more, but not for ever, because a dead
    volume never answers. Ctrl-C gives it up while nothing was made yet, and a second one the wait.
    """
    from engine.runs.state import LIVE, observe

    # A shell that dies hands its hang-up on, after the terminal's own.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        if not _has_ended(start, within_s) and start.abandon():
            return [f"No run was started: its checks took longer than {within_s / 60:.0f} minutes."]
    except KeyboardInterrupt:
        if start.abandon():
            return ["No run was started."]
    try:
        # Too late to stop it: its processes are being made, which gives up in half a minute.
        if not start.has_ended(made_within_s):
            return _UNKNOWN
    except KeyboardInterrupt:
        return _UNKNOWN
    run = start.outcome()
    if run is not None:
        return goes_on(run, name_of(run)) if observe(run).state in LIVE else []
    if start.error is None:
        return ["No run was started."]
    return [f"No run was started: {start.error.message}", f"  do: {start.error.hint}"]


def _has_ended(start: Start, within_s: float) -> bool:
    """Wait for its end; whoever has to wait is told why."""
    if start.has_ended(_PATIENCE_S):
        return True
    with suppress(OSError):
        print("The run is still being checked, then it starts. Ctrl-C gives it up.", flush=True)
    return start.has_ended(within_s)
