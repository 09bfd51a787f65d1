"""The list of runs: read once, told of while it is read, little kept, nothing of what is gone."""

from __future__ import annotations

import gc
import shutil
import threading
import tracemalloc
from pathlib import Path

import pytest

from engine.runs.events import Finished
from engine.runs.skim import Skimmed, Skimmer
from engine.runs.store import RunFolder
from tests.live_run import LiveRun
from tests.runs.ended_run import a_plan, end_with, write_spec
from tests.runs.script import step
from tui import runs_view
from tui.runs_view import RunsView, RunsWatcher


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of the folder the tests were started in stay out of the list."""
    monkeypatch.chdir(tmp_path)


def _ended(runs: Path, name: str, steps: int = 3) -> RunFolder:
    run = RunFolder(runs / name)
    write_spec(run)
    end_with(run, a_plan(), *(step(n) for n in range(1, steps + 1)), Finished(steps, "adapter"))
    return run


def _names(view: RunsView) -> list[str]:
    return [one.run.id for one in view.runs]


def test_a_live_run_is_told_of_first_and_the_newest_before_older_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_view, "_TELL_FIRST_S", 0.0)
    monkeypatch.setattr(runs_view, "_TELL_EVERY_S", 0.0)
    for name in ("2", "3", "4"):
        _ended(tmp_path, name)
    told: list[RunsView] = []
    with LiveRun(tmp_path / "1"):
        watcher = RunsWatcher(str(tmp_path))
        whole = watcher.look(told.append)
    assert [_names(view) for view in told] == [["1"], ["1", "4"], ["1", "4", "3"], _names(whole)]
    assert [view.unread for view in told] == [3, 2, 1, 0]
    assert _names(whole) == ["1", "4", "3", "2"] and watcher.seen == whole
    assert _names(watcher.look()) == ["4", "3", "2", "1"]  # it ended: back to its place


def test_what_was_read_is_the_same_object_and_what_changed_is_not(tmp_path: Path) -> None:
    kept, changed = _ended(tmp_path, "1"), _ended(tmp_path, "2")
    watcher = RunsWatcher(str(tmp_path))
    before = {view.run.id: view for view in watcher.look().runs}
    end_with(changed, a_plan(), step(1), step(2, 0.5), Finished(2, "adapter"))
    after = {view.run.id: view for view in watcher.look().runs}
    assert after[kept.id] is before[kept.id]
    assert after[changed.id].last_loss == 0.5 and after[changed.id].model == before["2"].model


def test_nothing_is_kept_of_a_run_that_is_gone(tmp_path: Path) -> None:
    _ended(tmp_path, "1")
    gone = _ended(tmp_path, "2")
    watcher = RunsWatcher(str(tmp_path))
    assert _names(watcher.look()) == ["2", "1"]
    shutil.rmtree(gone.path)
    assert _names(watcher.look()) == ["1"]
    assert [path.name for path in watcher._views] == ["1"]
    assert [path.name for path in watcher._skimmers] == ["1"]


def test_of_an_ended_run_a_few_kilobytes_are_kept(tmp_path: Path) -> None:
    for name in "12345":
        _ended(tmp_path, name, steps=3000)
    watcher = RunsWatcher(str(tmp_path))
    watcher.look()  # what is imported and compiled on the way does not count
    watcher = RunsWatcher(str(tmp_path))
    tracemalloc.start()
    try:
        watcher.look()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 5 * 20_000
    finally:
        tracemalloc.stop()


def test_a_look_that_begins_ends_the_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_view, "_TELL_FIRST_S", 0.0)
    for name in "12345":
        _ended(tmp_path, name)
    watcher = RunsWatcher(str(tmp_path))
    second: list[RunsView] = []
    thread = threading.Thread(target=lambda: second.append(watcher.look()))

    def tell(view: RunsView) -> None:
        thread.start()
        while watcher._turn < 2:
            pass

    first = watcher.look(tell)
    thread.join(10)
    assert (len(first.runs), first.unread) == (1, 4)
    assert (len(second[0].runs), second[0].unread) == (5, 0)


def test_one_that_cannot_be_read_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = _ended(tmp_path, "1"), _ended(tmp_path, "2")
    look = Skimmer.look

    def refuse(skimmer: Skimmer) -> Skimmed:
        if skimmer.run == bad:
            raise PermissionError(13, "Permission denied", str(bad.worker_lock))
        return look(skimmer)

    monkeypatch.setattr(Skimmer, "look", refuse)
    views = {view.run.id: view for view in RunsWatcher(str(tmp_path)).look().runs}
    assert views[good.id].word == "finished"
    assert "worker.lock could not be read" in views[bad.id].observed.message
