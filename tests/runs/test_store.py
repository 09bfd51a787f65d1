"""Finding a run: ids, parts of ids, paths, and folders that only look like one."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.runs.store import RunFolder, create_run, find_run, list_runs
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
