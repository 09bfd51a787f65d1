"""Runs that delivered, as their folders tell it: no training, weights that are only bytes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.evaluate.report import (
    AnswerPair,
    AnswerSummary,
    Difference,
    EvalReport,
    Speech,
    measure,
    write_report,
)
from engine.export.report import ExportedFile, ExportReport, Parity
from engine.export.report import write_report as write_export_report
from engine.runs.events import Body, Evaluated, Finished, Plan, Started, Step, Stopped
from engine.runs.host import boot_id, host_name
from engine.runs.journal import Journal
from engine.runs.store import RunFolder
from tests.export.trained_run import MAX_LENGTH, write_run
from tests.process import environment
from tests.runs.script import Script, step

# Before training, in the middle, at the end.
EVALS = (Evaluated(0, 2.5), Evaluated(5, 1.0), Evaluated(10, 0.5, best=True))
_HOLD = """
import sys
from pathlib import Path
from engine.runs.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def deliver(
    folder: Path,
    *,
    method: str = "lora",
    num_held_out: int = 6,
    evals: Sequence[Evaluated] = EVALS,
    start: float = 1_000_000.0,
    last: Body | None = None,
) -> RunFolder:
    """A run that trained 10 steps and left its result; `start` is a unix time."""
    run, _ = write_run(folder, folder.parent.parent / "base", method, num_held_out=num_held_out)
    plan = Plan(
        max_steps=10,
        num_rows=4000,
        num_eval_rows=num_held_out,
        max_length=MAX_LENGTH,
        cut_share=0.0,
        epochs=1.0,
        micro_batch=4,
        accumulation=2,
        total_params=1_000_000,
        trained_params=10_000,
        device="cuda",
        dtype="bfloat16",
    )
    steps: list[Step] = [step(number, 2.0 / number) for number in range(1, 11)]
    begun = Started(1, "train", host_name(), boot_id(), 1)
    bodies: list[Body] = [begun, plan, *(evals if num_held_out else []), *steps]
    ended = last or Finished(step=10, result="adapter", message="Trained 10 steps.")
    Script(start).add(*bodies, ended).write(run.events)
    result = run.adapter if method in ("lora", "qlora") else run.model
    result.mkdir()
    name = "adapter_model" if result == run.adapter else "model"
    (result / f"{name}.safetensors").write_bytes(b"w" * 3 * 2**20)
    (result / "tokenizer.json").write_bytes(b"t" * 2048)
    return run


def stopped(reason: str = "It was asked to stop.") -> Stopped:
    return Stopped(step=10, reason=reason, checkpoint="checkpoints/checkpoint-10")


def pair(
    question: str, base: str, tuned: str, reference: str = "", *, hit_limit: bool = False
) -> AnswerPair:
    """One question with both answers; `hit_limit` is about the base's."""
    return AnswerPair(
        messages=[{"role": "user", "content": question}],
        reference=reference,
        base=Speech(text=base, num_tokens=3, hit_limit=hit_limit),
        tuned=Speech(text=tuned, num_tokens=3, hit_limit=False),
    )


def evaluate(
    run: RunFolder,
    answers: Sequence[AnswerPair],
    *,
    tuned_loss: float = 0.5,
    name: str = "20261123-120000-evaluate",
    created: str = "2026-11-23T12:00:00+0000",
) -> RunFolder:
    """An evaluation of base loss 2.5 that found what it says."""
    gap = tuned_loss - 2.5
    report = EvalReport(
        run=run.id,
        created=created,
        method="lora",
        base_model="base",
        base_form="as published",
        dtype="bfloat16",
        device="cuda",
        max_length=MAX_LENGTH,
        num_rows=48,
        num_tokens=1000,
        num_cut=0,
        base=measure(2500.0, 400, 1000),
        tuned=measure(tuned_loss * 1000, 900, 1000),
        difference=Difference(
            loss=gap,
            low=gap - 0.1,
            high=gap + 0.1,
            confidence=0.95,
            seed=1,
            verdict="tuned is better" if gap < -0.1 else "no clear difference",
        ),
        answers=AnswerSummary(
            num_questions=len(answers), max_new_tokens=128, base_hit_limit=0, tuned_hit_limit=0
        ),
        versions={},
        rows=[],
    )
    job = RunFolder(run.jobs / name)
    job.path.mkdir(parents=True)
    write_events(job, "evaluate", Finished(step=0, result="report.json"))
    write_report(job, report, answers)
    return job


def export(run: RunFolder, form: str, *, created: str = "2026-11-23T12:00:00+0000") -> Path:
    """An exported form with its report."""
    folder = run.exports / form
    folder.mkdir(parents=True)
    parity = Parity(
        passed=True,
        num_prompts=4,
        num_positions=118,
        max_abs_diff=0.0,
        relative_l2=0.0,
        tolerance=0.01,
        effect_l2=1.0,
        kept=1.0,
        greedy_equal=118,
        ties=0,
        tokens_equal=True,
        reasons=[],
    )
    report = ExportReport(
        form=form,
        run=run.id,
        created=created,
        method="lora",
        base_model="base",
        merged_into="",
        dtype="bfloat16",
        parity=parity,
        notes=[],
        versions={},
        files=[ExportedFile(name="weights", num_bytes=5 * 2**20, sha256="0")],
    )
    write_export_report(folder, report)
    return folder


def begin_job(run: RunFolder, kind: str, *bodies: Body, name: str = "") -> RunFolder:
    """A job's folder with its first events; nobody is at work in it."""
    job = RunFolder(run.jobs / (name or f"20261124-120000-{kind}"))
    job.control.mkdir(parents=True)
    write_events(job, kind, *bodies)
    return job


def write_events(job: RunFolder, kind: str, *bodies: Body) -> None:
    script = Script(time.time() - 30)
    script.add(Started(1, kind, host_name(), boot_id(), 1), *bodies).write(job.events)


def append(job: RunFolder, *bodies: Body) -> None:
    """What the job says next."""
    journal = Journal(job.events)
    for body in bodies:
        journal.write(body)
    journal.close()


@contextmanager
def at_work(job: RunFolder) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the job's lock, as its worker does."""
    words = [sys.executable, "-c", _HOLD, str(job.worker_lock)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    ) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        try:
            yield worker
        finally:
            worker.kill()
