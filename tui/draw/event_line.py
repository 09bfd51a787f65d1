"""An event of a run as one line of log, for recorded runs that come without their raw output."""

from __future__ import annotations

from engine.runs.events import (
    Acted,
    Body,
    Checkpointed,
    Evaluated,
    Exited,
    Failed,
    Finished,
    Notice,
    Plan,
    Stage,
    Started,
    Step,
    Stopped,
)
from tui.draw.words import loss, size


def event_line(body: Body) -> str:
    """One line; empty for what is no news of its own, such as progress."""
    match body:
        case Started():
            again = f", attempt {body.attempt} from step {body.from_step}"
            return f"started on {body.host}{again if body.attempt > 1 else ''}"
        case Stage():
            return f"-- {body.name} {body.detail}".rstrip()
        case Plan():
            return f"plan: {body.num_rows} rows, {body.max_steps} steps on {body.device}"
        case Step():
            return (
                f"step {body.step} loss {loss(body.loss)} grad {body.grad_norm:.3f} "
                f"lr {body.learning_rate:.3g} {body.tokens_per_s:.0f} tok/s"
            )
        case Evaluated():
            best = " (best)" if body.best else ""
            return f"eval at step {body.step}: held-out loss {loss(body.loss)}{best}"
        case Checkpointed():
            return f"saved {body.path} ({size(body.num_bytes)}, {body.reason})"
        case Notice():
            return f"{body.severity.upper()}: {body.message} {body.fix}".rstrip()
        case Acted():
            return f"{body.name}: {body.message}"
        case Finished():
            return f"finished: {body.message}"
        case Stopped():
            return f"stopped at step {body.step}: {body.reason}"
        case Failed() | Exited():
            return f"ended: {body.message}"
    return ""
