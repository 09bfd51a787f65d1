from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.evaluate.delivered import find_delivered, held_out_rows
from engine.runs.events import Finished, Started
from engine.runs.journal import Journal
from tests.export.trained_run import MAX_LENGTH, write_run
from tests.runs.script import Script, started


def test_what_training_used_is_what_is_found(tmp_path: Path) -> None:
    run, _ = write_run(tmp_path / "run", tmp_path / "base", "lora")
    run.adapter.mkdir()
    found = find_delivered(run)
    assert found.is_adapter
    assert found.result == run.adapter
    assert found.max_length == MAX_LENGTH
    assert found.spec.model.dtype == "float32"  # auto in the spec; the log has what it became
    assert [row.line for row in held_out_rows(run)] == [1, 2, 3, 4, 5, 6]


def test_changes_of_a_later_attempt_count(tmp_path: Path) -> None:
    run, _ = write_run(tmp_path / "run", tmp_path / "base", "full")
    run.model.mkdir()
    journal = Journal(run.events)
    journal.write(
        Started(
            attempt=2, job="train", host="h", boot_id="", pid=1, changes={"train.micro_batch": "1"}
        )
    )
    with pytest.raises(TailfinError, match="an earlier attempt with other settings left it"):
        find_delivered(run)
    journal.write(Finished(step=2, result="model"))
    journal.close()
    found = find_delivered(run)
    assert not found.is_adapter
    assert found.spec.train.micro_batch == 1


def test_an_ended_run_without_a_result_says_what_to_do(tmp_path: Path) -> None:
    run, _ = write_run(tmp_path / "run", tmp_path / "base", "lora")
    with pytest.raises(TailfinError, match="ended before it delivered") as caught:
        find_delivered(run)
    assert "tailfin resume run" in caught.value.hint
    assert caught.value.exit_code == 1


def test_a_live_run_is_waited_for(tmp_path: Path) -> None:
    run, _ = write_run(tmp_path / "run", tmp_path / "base", "lora")
    Script().add(started()).write(run.events)
    hold = "import sys; from pathlib import Path; from engine.runs.lock import Lock; "
    hold += "lock = Lock(Path(sys.argv[1])); print(); sys.stdout.flush(); sys.stdin.read()"
    words = [sys.executable, "-c", hold, str(run.worker_lock)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(TailfinError, match="still at work"):
            find_delivered(run)


def test_a_log_without_a_plan_is_not_guessed_at(tmp_path: Path) -> None:
    run, _ = write_run(tmp_path / "run", tmp_path / "base", "lora")
    run.adapter.mkdir()
    Script().add(started(), Finished(step=1, result="adapter")).write(run.events)
    with pytest.raises(TailfinError, match="does not say at how many tokens"):
        find_delivered(run)


def test_no_held_out_file_means_no_rows(tmp_path: Path) -> None:
    run, _ = write_run(tmp_path / "run", tmp_path / "base", "lora")
    run.held_out.unlink()
    assert held_out_rows(run) == []
