"""Out of memory in its first form: phase named, state kept, half the micro-batch on resume."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import TailfinError
from engine.runs.ending import explain_ending, prediction
from engine.runs.events import Failed
from engine.runs.resume import plan_resume
from engine.runs.state import Observed, observe
from engine.runs.status import fold_all
from engine.spec import Spec
from engine.worker.virtual_vram import ENVIRONMENT
from tests.process import answer, only_run, start, tailfin, train_words, wait_for_end
from tests.runs.script import Script, started

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
    ending = explain_ending(run, observed)
    facts, budget = ending.memory, prediction(run, observed)
    assert facts is not None and facts.limit_gib == pytest.approx(64 / 1024)
    assert facts.requested_gib and facts.allocated_gib and facts.allocated_gib <= 64 / 1024
    # the estimate saw it coming, and what is offered first is what the resume below does
    assert budget is not None and not budget.fits
    assert dict(ending.actions[0].changes)["train.micro_batch"] == "16"

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
    assert f"tailfin resume {run.id} --set data.max_length=N" in again.stderr
    followed = tailfin("resume", run.id, "--set", "data.max_length=64", cwd=tmp_path)
    assert followed.returncode == 0, followed.stdout + followed.stderr


def _after_oom(phase: str, **train: object) -> tuple[Observed, Spec]:
    failed = Failed(error="oom", phase=phase, message="m", hint="h")
    status = fold_all(Script().add(started(), failed).events)
    values = {"model": {"path": "m"}, "data": {"path": "d"}, "train": train}
    return Observed("failed", "m", status, 0), Spec.model_validate(values)


def test_an_evaluation_shrinks_only_itself() -> None:
    observed, spec = _after_oom("eval", micro_batch=2)
    assert plan_resume(observed, spec, "r", {}) == {"eval.micro_batch": 1}


@given(st.integers(2, 300), st.integers(1, 300))
def test_fewer_rows_at_once_are_the_same_rows_per_step(micro_batch: int, accumulation: int) -> None:
    observed, spec = _after_oom("backward", micro_batch=micro_batch, accumulation=accumulation)
    changes = plan_resume(observed, spec, "r", {})
    rows, times = changes["train.micro_batch"], changes["train.accumulation"]
    assert isinstance(rows, int) and isinstance(times, int)
    assert 1 <= rows <= micro_batch / 2 and rows * times == micro_batch * accumulation


def test_what_a_person_asks_for_is_not_halved_on_top() -> None:
    observed, spec = _after_oom("forward", micro_batch=1, gradient_checkpointing=True)
    with pytest.raises(TailfinError, match="1 row already"):
        plan_resume(observed, spec, "r", {})
    asked = {"data.max_length": 64}
    assert plan_resume(observed, spec, "r", asked) == asked
    observed, spec = _after_oom("forward", micro_batch=2, accumulation=8)
    asked = {"train.micro_batch": 1}
    assert plan_resume(observed, spec, "r", asked) == asked


def test_loading_is_not_cured_by_fewer_rows() -> None:
    observed, spec = _after_oom("load", micro_batch=2)
    assert plan_resume(observed, spec, "r", {}) == {}


@pytest.mark.parametrize("path", ["train.rank", "train.method", "train.optimizer", "train.seed"])
def test_settings_of_another_run_are_refused(path: str) -> None:
    observed, spec = _after_oom("load")
    with pytest.raises(TailfinError, match="cannot change in the middle"):
        plan_resume(observed, spec, "r", {path: 1})
