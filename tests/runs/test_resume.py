"""Preparing a resume: every refusal comes before anything is started or written."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from engine.bundled import bundled
from engine.errors import TailfinError
from engine.runs.checkpoints import write_manifest
from engine.runs.events import Body, Failed, Finished, Stopped
from engine.runs.host import boot_id, host_name
from engine.runs.resume import is_resumable, prepare_resume
from engine.runs.store import RunFolder
from engine.settings import spec_to_toml
from engine.spec import Spec
from tests.runs.script import Script, started

_OOM = Failed(error="oom", phase="backward", message="Memory ran out.", hint="h", step=7)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of the bundled model and data; its log comes from `_log`."""
    folder = RunFolder(tmp_path / "runs" / "20260101-000000-run")
    folder.path.mkdir(parents=True)
    samples = bundled("samples")
    values = {
        "model": {"path": str(samples / "model")},
        "data": {"path": str(samples / "good.jsonl")},
        "train": {"micro_batch": 4, "accumulation": 2},
    }
    folder.spec.write_text(spec_to_toml(Spec.model_validate(values)), encoding="utf-8")
    return folder


def _log(run: RunFolder, *bodies: Body, changes: dict[str, str] | None = None) -> None:
    begun = started(host=host_name(), boot_id=boot_id(), changes=changes)
    Script().add(begun, *bodies).write(run.events)


def _checkpoint(run: RunFolder, step: int) -> None:
    folder = run.checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(b"w" * step)
    write_manifest(folder, step)


def test_it_says_what_would_run_and_starts_nothing(run: RunFolder) -> None:
    _log(run, _OOM)
    _checkpoint(run, 5)
    before = run.events.read_bytes()
    plan = prepare_resume(run, {})
    assert plan.changes == {"train.micro_batch": 2, "train.accumulation": 4}
    assert (plan.spec.train.micro_batch, plan.spec.train.accumulation) == (2, 4)
    assert (plan.from_step, plan.attempt, plan.run) == (5, 2, run)
    assert run.events.read_bytes() == before and not run.supervisor_log.exists()


def test_changes_of_earlier_attempts_stay(run: RunFolder) -> None:
    _log(run, Stopped(step=3, reason="r"), changes={"train.learning_rate": "0.001"})
    plan = prepare_resume(run, {"train.epochs": 2})
    assert plan.changes == {"train.epochs": 2} and plan.from_step == 0
    assert (plan.spec.train.learning_rate, plan.spec.train.epochs) == (0.001, 2.0)


def test_paths_are_those_of_the_folder_they_were_typed_in(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _log(run, Stopped(step=3, reason="r"))
    moved = tmp_path / "moved.jsonl"
    moved.write_bytes((bundled("samples") / "good.jsonl").read_bytes())
    monkeypatch.chdir(tmp_path)
    plan = prepare_resume(run, {"data.path": "moved.jsonl", "data.eval_path": ""})
    assert plan.changes == {"data.path": str(moved), "data.eval_path": ""}
    assert plan.spec.data.eval_path == ""


def test_data_that_is_gone_is_said_before_anything_starts(run: RunFolder) -> None:
    _log(run, Stopped(step=3, reason="r"))
    with pytest.raises(TailfinError, match=r"gone\.jsonl"):
        prepare_resume(run, {"data.path": "/nowhere/gone.jsonl"})
    assert not run.supervisor_log.exists()


def test_a_run_that_another_box_had_just_now_needs_force(run: RunFolder) -> None:
    script = Script(time.time()).add(started(host="another-box"))
    script.write(run.events)
    with pytest.raises(TailfinError, match="another-box") as refused:
        prepare_resume(run, {})
    assert refused.value.exit_code == 1 and "--force" in refused.value.hint
    assert prepare_resume(run, {}, force=True).attempt == 2
    Script(time.time() - 1000).add(started(host="another-box")).write(run.events)
    assert prepare_resume(run, {}).attempt == 2


def test_a_finished_run_needs_more_to_do(run: RunFolder) -> None:
    _log(run, Finished(step=9, result="adapter"))
    with pytest.raises(TailfinError, match="is finished"):
        prepare_resume(run, {})
    assert prepare_resume(run, {"train.epochs": 9}).spec.train.epochs == 9


def test_a_job_is_not_resumed(run: RunFolder) -> None:
    job = RunFolder(run.jobs / "20260101-000001-export")
    job.path.mkdir(parents=True)
    with pytest.raises(TailfinError, match="is a job"):
        prepare_resume(job, {})


def test_what_can_change_is_asked_by_path() -> None:
    assert is_resumable(["train.micro_batch", "data.max_length"]) and is_resumable([])
    assert not is_resumable(["train.micro_batch", "train.method"])
