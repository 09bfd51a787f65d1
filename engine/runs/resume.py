"""What a resume changes: after out of memory the micro-batch halves, the effective batch stays."""

from __future__ import annotations

from engine.errors import TailfinError
from engine.runs.state import LIVE, Observed
from engine.spec import Spec


def resume_changes(observed: Observed, spec: Spec, run_id: str) -> dict[str, object]:
    """Settings to change before the next attempt, as dotted paths; raises for a live run.

    After a memory failure in training: micro-batch halved and accumulation doubled, so that the
    optimizer sees the same number of rows per step. At micro-batch 1 gradient checkpointing is
    turned on instead. After one in evaluation only the evaluation batch shrinks.
    """
    if observed.state in LIVE:
        raise TailfinError(
            f"The run {run_id} is at work (process {observed.worker_pid}).",
            f"Follow it with: tailfin attach {run_id}",
            exit_code=1,
        )
    failed = observed.status.failed
    if failed is None or failed.error != "oom":
        return {}
    train = spec.train
    if failed.phase == "eval":
        rows = spec.eval.micro_batch or train.micro_batch
        if rows > 1:
            return {"eval.micro_batch": rows // 2}
    elif train.micro_batch > 1:
        half = train.micro_batch // 2
        factor = -(-train.micro_batch // half)
        return {"train.micro_batch": half, "train.accumulation": train.accumulation * factor}
    elif not train.gradient_checkpointing:
        return {"train.gradient_checkpointing": True}
    raise TailfinError(
        f"Memory ran out during {failed.phase} with a micro-batch of 1 row already.",
        "Choose what may change, for example: "
        f"tailfin resume {run_id} --set data.max_length=N; or start anew with --method qlora.",
        exit_code=3,
    )
