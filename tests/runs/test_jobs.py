"""Starting jobs: from two terminals at once only one begins."""

from __future__ import annotations

import errno
import fcntl
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.errors import EXIT_NO, TailfinError
from engine.runs import jobs
from engine.runs.events import Finished, Stage
from engine.runs.jobs import start_job
from engine.runs.lock import Held, alone
from engine.runs.store import RunFolder
from tests.tui.delivered_runs import append, at_work, begin_job


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "runs" / "a")
    made.path.mkdir(parents=True)
    return made


def test_while_one_start_is_under_way_another_is_refused(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[RunFolder] = []
    is_launching, may_end = threading.Event(), threading.Event()

    def launch(job: RunFolder, command: Sequence[str]) -> None:
        launched.append(job)
        is_launching.set()
        assert may_end.wait(20)

    monkeypatch.setattr(jobs, "launch", launch)
    first = threading.Thread(target=start_job, args=(run, "evaluate"))
    first.start()
    try:
        assert is_launching.wait(20)
        with pytest.raises(TailfinError, match="being started already") as refused:
            start_job(run, "evaluate")
        assert refused.value.exit_code == EXIT_NO
        assert len(launched) == 1 and [p.name for p in run.jobs.iterdir()] == [launched[0].id]
    finally:
        may_end.set()
        first.join()
    assert start_job(run, "evaluate").path != launched[0].path  # the first one is not at work


def test_while_a_job_is_at_work_another_is_refused(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[RunFolder] = []
    monkeypatch.setattr(jobs, "launch", lambda job, command: launched.append(job))
    old = begin_job(run, "export", Stage("export"), name="20200101-000000-export")
    begin_job(run, "evaluate", Finished(step=0, result=""), name="20200101-000001-evaluate")
    with at_work(old):
        with pytest.raises(TailfinError, match="at work already: 20200101-000000-export") as found:
            start_job(run, "evaluate")
        assert str(old.path) in found.value.hint and not launched
        append(old, Finished(step=0, result=""))
        assert start_job(run, "evaluate").path == launched[0].path  # the old one only tidies up


def test_a_run_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(TailfinError, match="could not be written"):
        start_job(RunFolder(tmp_path / "gone"), "evaluate")


def test_alone_frees_the_file_whatever_happens_inside(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), alone(path):
        with pytest.raises(Held), alone(path):
            raise AssertionError("two held it")
        1 / 0  # noqa: B018
    with alone(path):
        pass


def test_a_volume_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(fd: int, kind: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(TailfinError, match="could not be locked"), alone(tmp_path / "lock"):
        pass
