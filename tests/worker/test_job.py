"""A wish to stop: raised where it is safe, kept where it is not."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runs.events import Finished, Stopped
from engine.runs.reader import read_all
from engine.runs.store import RunFolder
from engine.worker.job import Job, run_job


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The worker takes over the signals of its process; here they are given back."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def _run(tmp_path: Path, stages: list[str], reached: list[str]) -> object:
    """Asks itself to stop in the first stage; returns the last event."""

    def body(job: Job) -> Finished:
        for name in stages:
            job.stage(name)
            if name == stages[0]:
                os.kill(os.getpid(), signal.SIGTERM)
            reached.append(f"end of {name}")
        return Finished(step=0, result="adapter")

    run = RunFolder(tmp_path)
    assert run_job(run, "train", body) == 0
    return read_all(run.events)[-1].body


def test_during_imports_it_waits_for_the_next_stage(tmp_path: Path) -> None:
    reached: list[str] = []
    assert isinstance(_run(tmp_path, ["import", "load"], reached), Stopped)
    assert reached == ["end of import"]


def test_elsewhere_it_ends_the_stage(tmp_path: Path) -> None:
    reached: list[str] = []
    assert isinstance(_run(tmp_path, ["tokenise", "train"], reached), Stopped)
    assert reached == []
