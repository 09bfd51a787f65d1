"""What a list shows of a run is what the full fold says, and an unchanged log is not read again."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.cli.runs import summary
from engine.errors import TailfinError
from engine.runs.events import Evaluated, Event, Finished, Step, encode
from engine.runs.skim import Skimmer, skim
from engine.runs.state import Observed, observe
from engine.runs.store import RunFolder
from tests.live_run import LiveRun
from tests.runs.ended_run import a_plan, end_with
from tests.runs.script import Script, evaluated, started, step
from tests.runs.test_events import bodies

_NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
_STEPS = st.builds(step, st.integers(0, 6), _NUMBERS)
_EVALS = st.builds(evaluated, st.integers(0, 6), _NUMBERS)
_STARTS = st.builds(started, st.integers(1, 4), st.integers(0, 6))
_BODIES = st.lists(st.one_of(_STEPS, _STEPS, _EVALS, _STARTS, bodies()), max_size=40)
_TORN = st.sampled_from(
    [b"", b'{"v":1,"seq":3,"time":1.0,"kind":"step","step":4,', b"\x00\n", b"\n"]
)


@given(_BODIES, _TORN, st.integers(0, 40), st.integers(0, 10**9))
@example([step(1), step(2), step(3), started(2, 2)], b"", 9, 1)
def test_it_is_what_the_full_fold_says(
    happened: list[Step | Evaluated], torn: bytes, seen: int, start: int
) -> None:
    lines = [encode(event) for event in Script(float(start)).add(*happened).events]
    # One moment for both: how old a word is would differ where the clock strikes in between.
    moment = patch("engine.runs.state.time.time", return_value=2.0e9)
    with TemporaryDirectory() as folder, moment:
        run = RunFolder(Path(folder))
        run.events.write_bytes(b"".join(lines[:seen]) + torn.rstrip(b"\n"))
        skimmer = Skimmer(run)
        skimmer.look()
        run.events.write_bytes(b"".join(lines[:seen]) + torn + b"".join(lines[seen:]))
        for found in (skimmer.look(), skim(run)):
            whole = observe(run)
            assert repr(summary(run, found.observed)) == repr(summary(run, whole))
            assert repr(_told(found.observed)) == repr(_told(whole))
            losses = tuple(one.loss for one in whole.status.steps)
            assert repr(found.losses) == repr(losses)


def _told(observed: Observed) -> list[object]:
    """What a list tells beyond the summary."""
    status = observed.status
    base = next((one for one in status.evals if one.step == 0), None)
    ends = (status.finished, status.stopped, status.failed, status.exited)
    last = status.steps[-1].step if status.steps else None
    times = (status.seq, status.first_time, status.last_time, status.started_time)
    return [base, status.best, ends, last, times, status.stage_detail, status.plan, status.changes]


def test_a_step_in_another_order_of_fields_counts_too(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    end_with(run, step(1))
    line = encode(Event(9, 5.0, step(2, 0.25))).replace(b'"v":1,', b"").replace(b":", b" : ")
    run.events.write_bytes(run.events.read_bytes() + line)
    assert skim(run).observed.status.step == 2 and skim(run).losses == (1.0, 0.25)


def test_an_unchanged_log_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path)
    end_with(run, a_plan(), *(step(n) for n in range(1, 2001)), Finished(2000, "adapter"))
    skimmer = Skimmer(run)
    before = skimmer.look()
    read: list[int] = []
    pread = os.pread

    def counted(fd: int, size: int, offset: int) -> bytes:
        read.append(offset)
        return pread(fd, size, offset)

    monkeypatch.setattr(os, "pread", counted)
    again = skimmer.look()
    assert again.observed.status is before.observed.status and read == []
    more = Script().add(started(2, 1000), step(1001, 0.125)).events
    with run.events.open("ab") as log:
        log.write(b"".join(map(encode, more)))
    after = skimmer.look().observed.status
    assert (after.step, after.steps[-1].loss, after.attempt) == (1001, 0.125, 2) and read


def test_little_is_kept_of_a_run_that_ended(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    checked = [evaluated(n, 1.0 + n % 7) for n in range(0, 900, 3)]
    end_with(run, a_plan(), *(step(n) for n in range(1, 5001)), *checked, Finished(5000, "adapter"))
    skimmer = Skimmer(run)
    found = skimmer.look()
    assert skimmer._course is None
    status = found.observed.status
    assert (len(status.steps), len(status.evals)) == (1, 2)  # the base is the best of them
    assert 100 <= len(found.losses) <= 200


def test_a_live_run_moves_and_is_judged_anew_when_it_is_gone(tmp_path: Path) -> None:
    with LiveRun(tmp_path / "run", steps_before=300, steps_per_s=100.0) as live:
        skimmer = Skimmer(live.run)
        first = skimmer.look()
        assert first.observed.state == "running" and first.observed.worker_pid == live.pid
        while skimmer.look().observed.status.step == first.observed.status.step:
            pass
        live.die()
        ended = skimmer.look().observed
        assert ended.state == "crashed"
        assert summary(live.run, ended) == summary(live.run, observe(live.run))


def test_a_log_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()
    with pytest.raises(TailfinError, match="could not be read"):
        skim(RunFolder(tmp_path))
