"""Out of memory in its first form: phase named, state kept, half the micro-batch on resume."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.runs.resume import resume_changes
from engine.runs.state import observe
from engine.worker.virtual_vram import ENVIRONMENT
from tests.process import answer, only_run, start, tailfin, train_words, wait_for_end

pytestmark = pytest.mark.timeout(240)
SMALL: dict[str, object] = {
    "eval.at_start": False,
    "data.eval_max_rows": 4,
    "eval.micro_batch": 1,
}
TIGHT = {ENVIRONMENT: "64"}


def test_it_is_explained_and_resume_halves_until_it_fits(tmp_path: Path) -> None:
    """At 64 MiB a micro-batch of 32 rows of the sample does not fit, of 8 it does."""
    words = train_words(SMALL | {"train.max_steps": 2, "train.micro_batch": 32})
    done = tailfin(*words, cwd=tmp_path, env=TIGHT)
    assert done.returncode == 3, done.stdout + done.stderr
    run = only_run(tmp_path)
    observed = observe(run)
    failed = observed.status.failed
    assert failed is not None and failed.error == "oom" and failed.phase in ("forward", "backward")
    assert "Traceback" not in done.stdout + done.stderr
    assert "halves the micro-batch" in done.stdout
    why = tailfin("why", run.id, "--json", cwd=tmp_path)
    assert why.returncode == 3 and answer(why)["data"]["phase"] == failed.phase

    sizes = [32]
    for _ in range(4):
        resumed = tailfin("resume", run.id, cwd=tmp_path, env=TIGHT)
        changes = dict(observe(run).status.changes)
        sizes.append(int(changes["train.micro_batch"]))
        assert int(changes["train.accumulation"]) * sizes[-1] == 32
        if resumed.returncode == 0:
            break
        assert resumed.returncode == 3
    ended = observe(run)
    assert ended.state == "finished" and ended.status.step == 2
    assert sizes == [32 // 2**n for n in range(len(sizes))] and len(sizes) > 1
    assert ended.status.plan is not None and ended.status.plan.micro_batch == sizes[-1]


def test_what_was_saved_before_is_kept(tmp_path: Path) -> None:
    """The box gets smaller in the middle: the second attempt starts from the checkpoint."""
    run = start(
        tmp_path,
        SMALL | {"train.max_steps": 4, "save.every_steps": 2, "eval.every_steps": 4},
    )
    assert wait_for_end(run).state == "finished"
    words = ["--set", "train.max_steps=6", "--set", "train.micro_batch=64"]
    again = tailfin("resume", run.id, *words, cwd=tmp_path, env=TIGHT)
    assert again.returncode == 3, again.stdout
    observed = observe(run)
    assert observed.status.started is not None and observed.status.started.from_step == 4
    assert [point.step for point in observed.status.steps] == [1, 2, 3, 4]
    resumed = tailfin("resume", run.id, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    ended = observe(run)
    assert ended.state == "finished" and ended.status.step == 6
    assert dict(ended.status.changes)["train.micro_batch"] == "32"


def test_one_row_that_does_not_fit_is_said(tmp_path: Path) -> None:
    words = train_words(
        SMALL | {"train.max_steps": 1, "train.micro_batch": 1, "train.gradient_checkpointing": True}
    )
    done = tailfin(*words, cwd=tmp_path, env={ENVIRONMENT: "9"})
    assert done.returncode == 3
    run = only_run(tmp_path)
    again = tailfin("resume", run.id, cwd=tmp_path)
    assert again.returncode == 3 and "micro-batch of 1 row already" in again.stderr


def test_an_evaluation_shrinks_only_itself(tmp_path: Path) -> None:
    from engine.runs.events import Failed
    from engine.runs.state import Observed
    from engine.runs.status import fold_all
    from engine.spec import Spec
    from tests.runs.script import Script, started

    failed = Failed(error="oom", phase="eval", message="m", hint="h")
    status = fold_all(Script().add(started(), failed).events)
    spec = Spec.model_validate({"model": {"path": "m"}, "data": {"path": "d"}})
    observed = Observed("failed", "m", status, 0)
    assert resume_changes(observed, spec, "r") == {"eval.micro_batch": 1}
