"""Obstacles: one clear message each, and nothing lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.bundled import bundled
from engine.runs.checkpoints import last_checkpoint
from engine.runs.state import observe
from engine.runs.store import RunFolder
from tests.process import answer, start, tailfin, train_words, wait_for_end, wait_for_step

pytestmark = pytest.mark.timeout(240)
LONG: dict[str, object] = {
    "train.max_steps": 400,
    "eval.at_start": False,
    "data.eval_max_rows": 8,
    "eval.every_steps": 400,
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real, small file system of its own; needs the right to mount."""
    where = tmp_path / "disk"
    where.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=260m", "tmpfs", str(where)],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("this user may not mount a file system")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=False)


def _one_message(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    for part in parts:
        assert part in said, said
    assert "do: " in said, said


def _read_only(disk: Path) -> int:
    command = ["mount", "-o", "remount,ro", str(disk)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_a_disk_that_fills_up_in_the_middle(disk: Path) -> None:
    """The log's reserve holds the last words, the last checkpoint stays, resume goes on."""
    run = start(disk, LONG | {"save.every_steps": 5})
    wait_for_step(run, 6)
    ballast = disk / "ballast"
    with open(ballast, "wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
            file.flush()
    ended = wait_for_end(run)
    failed = ended.status.failed
    assert failed is not None and failed.error == "disk", ended
    shown = tailfin("why", run.id, cwd=disk)
    assert shown.returncode == 1
    _one_message(shown, "The disk is full", f"tailfin resume {run.id}")
    whole = last_checkpoint(run.checkpoints)
    assert whole is not None and whole.step >= 5
    ballast.unlink()
    words = ["--set", f"train.max_steps={whole.step + 3}"]
    resumed = tailfin("resume", run.id, *words, cwd=disk)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert observe(run).status.step == whole.step + 3


def test_a_disk_without_room_is_refused_before_the_start(disk: Path) -> None:
    (disk / "ballast").write_bytes(b"\0" * (100 * 2**20))
    done = tailfin(*train_words(LONG), cwd=disk)
    assert done.returncode == 1
    _one_message(done, "MiB free", "--runs DIR")
    assert not (disk / "runs").exists()


def test_a_runs_folder_that_cannot_be_written(disk: Path) -> None:
    (disk / "runs").mkdir()
    assert _read_only(disk) == 0
    done = tailfin(*train_words(LONG), cwd=disk)
    assert done.returncode == 1
    _one_message(done, str(disk / "runs"), "Read-only file system")


def test_a_run_folder_that_became_read_only_is_not_resumed(disk: Path) -> None:
    run = start(disk, LONG | {"train.max_steps": 1, "eval.every_steps": 1})
    assert wait_for_end(run).state == "finished"
    deadline = time.monotonic() + 20
    while _read_only(disk) != 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    done = tailfin("resume", run.id, "--set", "train.max_steps=2", cwd=disk)
    assert done.returncode == 1
    _one_message(done, run.id, "Read-only file system")
    attached = tailfin("attach", run.id, cwd=disk)
    assert attached.returncode == 0 and "FINISHED" in attached.stdout


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cut.json", b'[{"messages": [{"role": "user", "con', "line 1"),
        ("page.jsonl", b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        ("empty.jsonl", b"", "empty"),
        ("pointer.jsonl", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "LFS"),
    ],
)
def test_data_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    model = str(bundled("samples") / "model")
    done = tailfin("train", "--model", model, "--data", name, cwd=tmp_path)
    assert done.returncode == 2
    _one_message(done, name, said)
    assert not (tmp_path / "runs").exists()


def test_data_that_is_not_there_and_a_folder_that_is_no_model(tmp_path: Path) -> None:
    data = str(bundled("samples") / "good.jsonl")
    model = str(bundled("samples") / "model")
    done = tailfin("train", "--model", model, "--data", "none.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    _one_message(done, "none.jsonl")
    done = tailfin("train", "--model", "./nothing", "--data", data, cwd=tmp_path)
    assert done.returncode == 2
    _one_message(done, "nothing")
    (tmp_path / "nothing").mkdir()
    done = tailfin("train", "--model", "./nothing", "--data", data, "--json", cwd=tmp_path)
    assert done.returncode == 2 and answer(done)["findings"][0]["fix"]


def test_unknown_columns_are_proposed_and_confirmed(tmp_path: Path) -> None:
    model = str(bundled("samples") / "model")
    data = str(bundled("samples") / "formats" / "question_answer.csv")
    words = ["train", "--model", model, "--data", data, "--detach", "--json"]
    done = tailfin(*words, cwd=tmp_path)
    assert done.returncode == 2
    finding = answer(done)["findings"][0]
    assert "data.columns.prompt=question" in finding["message"] + finding["fix"]
    confirmed = ["--set", "data.columns.prompt=question", "--set", "data.columns.completion=answer"]
    steps = ["--set", "train.max_steps=1"]
    done = tailfin(*words, *confirmed, *steps, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert wait_for_end(RunFolder(Path(answer(done)["data"]["path"]))).state == "finished"


def test_rows_without_a_trained_token_stop_the_run(tmp_path: Path) -> None:
    run = start(tmp_path, LONG | {"data.max_length": 8})
    ended = wait_for_end(run)
    failed = ended.status.failed
    assert failed is not None and failed.error == "input" and failed.phase == "tokenise"
    assert "no trained token" in failed.message and failed.exit_code == 2


def test_a_run_copied_to_another_host(tmp_path: Path) -> None:
    """The copy of a running run is not taken for a crash, nor resumed beside the original."""
    run = start(tmp_path, LONG)
    try:
        wait_for_step(run, 2)
        copy = tmp_path / "elsewhere" / "runs" / run.id
        shutil.copytree(run.path, copy)
        there = {"TAILFIN_HOST": "another-box"}
        state = tailfin("runs", "show", run.id, "--json", cwd=tmp_path / "elsewhere", env=there)
        assert answer(state)["data"]["state"] == "elsewhere"
        refused = tailfin("resume", run.id, cwd=tmp_path / "elsewhere", env=there)
        assert refused.returncode == 1
        _one_message(refused, f"It ran on {os.uname().nodename}", "may still be running there")
    finally:
        tailfin("stop", run.id, cwd=tmp_path)
        wait_for_end(run)
    shutil.copytree(run.checkpoints, copy / "checkpoints", dirs_exist_ok=True)
    words = ["--force", "--set", f"train.max_steps={observe(run).status.step + 2}"]
    resumed = tailfin("resume", run.id, *words, cwd=tmp_path / "elsewhere", env=there)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    ended = observe(RunFolder(copy))
    assert ended.state == "finished" and ended.status.started is not None
    assert ended.status.started.host == "another-box" and ended.status.started.from_step > 0
