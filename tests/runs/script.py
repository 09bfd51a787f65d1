"""A scripted event writer with a clock of its own."""

from __future__ import annotations

from pathlib import Path

from engine.runs.events import Body, Evaluated, Event, Started, Step, encode


class Script:
    """Collects events and writes them as a log; time moves one second per event."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self.events: list[Event] = []
        self._time = start

    def add(self, *bodies: Body) -> Script:
        for body in bodies:
            self.events.append(Event(seq=len(self.events), time=self._time, body=body))
            self._time += 1.0
        return self

    def write(self, path: Path) -> None:
        path.write_bytes(b"".join(encode(event) for event in self.events))


def started(
    attempt: int = 1,
    from_step: int = 0,
    host: str = "box",
    boot_id: str = "b",
    changes: dict[str, str] | None = None,
) -> Started:
    return Started(attempt, "train", host, boot_id, 1, from_step, changes)


def step(number: int, loss: float = 1.0) -> Step:
    return Step(
        step=number,
        epoch=number / 10,
        loss=loss,
        grad_norm=0.5,
        learning_rate=1e-4,
        tokens=number * 100,
        tokens_per_s=50.0,
        elapsed_s=float(number),
    )


def evaluated(number: int, loss: float) -> Evaluated:
    return Evaluated(step=number, loss=loss)
