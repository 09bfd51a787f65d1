"""`tailfin runs rm`: what it refuses to remove, and what it prints of a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.runs.events import Finished, Stopped
from engine.runs.host import boot_id, host_name
from engine.runs.store import RunFolder
from tests.process import environment
from tests.runs.script import Script, started

_HOLD = """
import sys, time
from pathlib import Path
from engine.runs.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("TAILFIN_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return _ended(tmp_path / "runs" / "20260101-000000-qwen")


def _ended(path: Path) -> RunFolder:
    path.mkdir(parents=True)
    folder = RunFolder(path)
    log = Script().add(started(host=host_name(), boot_id=boot_id()))
    log.add(Finished(step=1, result="adapter")).write(folder.events)
    return folder


def test_an_ended_run_goes_with_its_ended_jobs_when_that_is_confirmed(run: RunFolder) -> None:
    _ended(run.jobs / "20260101-000001-export")
    assert main(["runs", "rm", "qwen"]) == 1 and run.path.exists()
    assert main(["runs", "rm", "qwen", "--yes"]) == 0 and not run.path.exists()


@pytest.mark.parametrize("lock", ["worker.lock", "supervisor.lock"])
def test_a_run_with_a_job_at_work_stays(
    run: RunFolder, lock: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = _ended(run.jobs / "20260101-000001-export")
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(job.path / lock)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        assert main(["runs", "rm", "qwen", "--yes"]) == 1
        said = capsys.readouterr().err
        assert "is at work" in said and f"tailfin stop {job.path}" in said
        assert job.events.exists() and run.events.exists()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert main(["runs", "rm", "qwen", "--yes"]) == 0


def test_a_run_that_may_be_alive_on_another_box_stays(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    Script(time.time()).add(started(host="another-box")).write(run.events)
    assert main(["runs", "rm", "qwen", "--yes"]) == 1
    assert "another-box" in capsys.readouterr().err and run.events.exists()
    Script(time.time() - 1000).add(started(host="another-box")).write(run.events)
    assert main(["runs", "rm", "qwen", "--yes"]) == 0


def test_a_folder_without_a_log_goes_only_from_a_runs_folder(run: RunFolder) -> None:
    project = run.path.parents[1] / "project"
    (project / "control").mkdir(parents=True)
    (project / "spec.toml").touch()
    (project / "worker.log").touch()
    assert main(["runs", "rm", "./project", "--yes"]) == 1 and project.exists()
    young = RunFolder(run.path.parent / "20260102-000000-young")
    young.control.mkdir(parents=True)
    young.spec.touch()
    assert main(["runs", "rm", "young", "--yes"]) == 0 and not young.path.exists()


def test_what_a_run_says_of_itself_cannot_drive_the_terminal(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Script().add(started(), Stopped(step=1, reason="\x1b]0;owned\x07 \u4f60\u597d"))
    log.write(run.events)
    assert main(["runs", "show", "qwen"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said and "\x07" not in said and "\u4f60\u597d" in said
