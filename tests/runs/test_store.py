"""Finding a run: ids, parts of ids, paths, and folders that only look like one."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.runs.actions import resume_command
from engine.runs.store import (
    RunFolder,
    create_run,
    find_run,
    list_runs,
    name_of,
    possible_roots,
    runs_root,
)
from tests.runs.script import Script, started


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAILFIN_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(path: Path) -> RunFolder:
    path.mkdir(parents=True)
    run = RunFolder(path)
    run.spec.touch()
    Script().add(started()).write(run.events)
    return run


def _project(path: Path) -> Path:
    """A folder of the user's own, with a spec in it."""
    path.mkdir()
    (path / "spec.toml").write_text('[model]\npath = "m"\n', encoding="utf-8")
    return path


@pytest.mark.parametrize("made_by_a_run", [False, True])
def test_a_folder_here_does_not_stand_in_for_a_run(here: Path, made_by_a_run: bool) -> None:
    run = _run(here / "runs" / "20260101-000000-qwen")
    folder = _run(here / "qwen").path if made_by_a_run else _project(here / "qwen")
    assert find_run("qwen") == run
    if made_by_a_run:
        assert find_run("./qwen").path == folder


@pytest.mark.parametrize("word", ["qwen", "./qwen", "{here}/qwen"])
def test_a_spec_alone_is_no_run(here: Path, word: str) -> None:
    _project(here / "qwen")
    with pytest.raises(TailfinError, match="There is no run"):
        find_run(word.format(here=here))


def test_a_path_is_found_by_any_spelling(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _run(here / "elsewhere")
    assert [find_run(w) for w in (str(run.path), "./elsewhere", "elsewhere", "elsewhere/")] == [
        run
    ] * 4
    monkeypatch.chdir(run.path)
    assert find_run(".") == run


@pytest.mark.parametrize("name", ["worker.log", "worker.lock", "supervisor.log", "supervisor.lock"])
def test_what_a_worker_or_supervisor_left_makes_a_path_a_run(here: Path, name: str) -> None:
    folder = _project(here / "qwen")
    (folder / name).touch()
    assert find_run("./qwen").path == folder


def test_a_run_just_made_is_found(here: Path) -> None:
    run = create_run("young")
    run.spec.touch()
    assert [find_run(word) for word in (run.id, "young", "last", str(run.path))] == [run] * 4


def test_parts_of_ids_and_the_last_one(here: Path) -> None:
    old, new = (_run(here / "runs" / f"2026010{n}-000000-qwen") for n in (1, 2))
    assert list_runs() == [new, old]
    assert find_run("last") == new
    assert find_run("20260101") == old
    with pytest.raises(TailfinError, match="names 2 runs"):
        find_run("qwen")


def test_a_removed_current_folder_hides_no_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _run(tmp_path / "runs" / "20260101-000000-qwen")
    monkeypatch.setenv("TAILFIN_RUNS", str(tmp_path / "runs"))
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setenv("PWD", str(gone))
    gone.rmdir()
    assert find_run("last") == run and name_of(run) == run.id
    assert runs_root("mine") == gone / "mine"
    monkeypatch.delenv("TAILFIN_RUNS")
    assert gone / "runs" in possible_roots()
    assert find_run("last", str(tmp_path / "runs")) == run


@pytest.mark.parametrize("odd", ["~nobodyhere/runs", "x" * 300, "loop/runs"])
def test_an_odd_folder_of_runs_is_one_without_runs(here: Path, odd: str) -> None:
    (here / "loop").symlink_to("loop")
    assert list_runs(odd) == list_runs()


def test_a_name_can_be_pasted_into_a_shell(here: Path) -> None:
    known = _run(here / "runs" / "20260101-000000-qwen")
    spaced = _run(here / "runs" / "my run; ls")
    away = _run(here / "some where" / "$(id)")
    job = _run(known.jobs / "20260101-000001-export")
    assert name_of(known) == known.id
    assert shlex.split(name_of(spaced)) == ["my run; ls"]
    assert shlex.split(name_of(away)) == [str(away.path)]
    assert name_of(job) == str(job.path)
    assert [find_run(shlex.split(name_of(r))[0]) for r in (known, spaced, away, job)] == [
        known,
        spaced,
        away,
        job,
    ]
    (here / "link").symlink_to(here / "runs")
    assert name_of(RunFolder(here / "link" / known.id)) == known.id


def test_with_the_roots_given_no_disk_is_asked(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, roots = _run(here / "runs" / "20260101-000000-qwen"), possible_roots()
    for name in ("lstat", "stat", "statvfs", "access", "getcwd"):
        monkeypatch.delattr(os, name)
    assert name_of(run, roots) == run.id
    assert name_of(run, []) == str(run.path)


def test_resuming_a_run_elsewhere_names_its_path_once_quoted(here: Path) -> None:
    run = _run(here / "some where" / "mine")
    command = resume_command(run, {"train.learning_rate": '"a b"'})
    assert shlex.split(command)[:3] == ["tailfin", "resume", str(run.path)]
    assert shlex.split(command)[-1] == "train.learning_rate=a b"
