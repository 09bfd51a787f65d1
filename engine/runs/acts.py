"""Requests to a live run: files in control/ written by rename, answered in the log by id."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import TailfinError
from engine.runs.events import Acted
from engine.runs.state import LIVE, Observer
from engine.runs.store import RunFolder

ACTS = ("save", "stop")


@dataclass(frozen=True, slots=True)
class Act:
    """One request: its id, its name and where it lies until it is taken."""

    id: str
    name: str
    path: Path


def request(run: RunFolder, name: str) -> str:
    """Put a request into a run's control folder; returns its id. Raises for unknown names."""
    if name not in ACTS:
        raise TailfinError(
            f"There is no act '{name}'.", f"Choose one of: {', '.join(ACTS)}.", where=name
        )
    act_id = uuid.uuid4().hex[:12]
    try:
        run.control.mkdir(exist_ok=True)
        draft = run.control / f".{act_id}"
        draft.write_text(json.dumps({"id": act_id, "name": name}), encoding="utf-8")
        draft.rename(run.control / f"{time.time_ns()}-{act_id}.json")
    except OSError as error:
        raise TailfinError(
            f"The request could not be written to {run.control}: {error.strerror}.",
            "Free space or make the folder writable.",
            where=run.control,
            exit_code=1,
        ) from None
    return act_id


def pending(run: RunFolder) -> list[Act]:
    """Requests not taken yet, oldest first; unreadable ones are removed."""
    try:
        names = sorted(n for n in os.listdir(run.control) if n.endswith(".json"))
    except OSError:
        return []
    acts = []
    for name in names:
        path = run.control / name
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            acts.append(Act(id=str(raw["id"]), name=str(raw["name"]), path=path))
        except (OSError, ValueError, KeyError, TypeError):
            path.unlink(missing_ok=True)
    return acts


def answer(
    run: RunFolder,
    act_id: str,
    *,
    timeout_s: float,
    wait: Callable[[float], None] = time.sleep,
) -> Acted | None:
    """The run's answer to a request; None when it did not come in time or the run ended first."""
    observer = Observer(run)
    deadline = time.monotonic() + timeout_s
    while True:
        observed = observer.look()
        for acted in observed.status.acts:
            if acted.id == act_id:
                return acted
        if observed.state not in LIVE or time.monotonic() > deadline:
            return None
        wait(0.2)
