"""How long a run will take, from how long one like it took; nothing is guessed where none did."""

from __future__ import annotations

import os
import re
import statistics
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from engine.runs.events import Checkpointed, Evaluated, Event, Finished, Plan, Started, Step, decode
from engine.runs.store import RunFolder
from engine.spec import Spec
from engine.steps import num_steps

_MOST_RUNS = 20
_TAIL_BYTES = 64 * 1024
_PAUSES = (Evaluated, Checkpointed)
_TELLING = "|".join(kind.kind for kind in (Started, Plan, Step, Finished, *_PAUSES))
# The lines that tell of a run's course, found without decoding its many steps.
_LINE = re.compile(rf'^\{{.{{0,80}}?"kind":"({_TELLING})".*$'.encode(), re.MULTILINE)
# A forward pass alone is a third of a training step's arithmetic (backward costs twice as much).
_FORWARD_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds from start to finish, tokens per second while training, and the run this is from."""

    seconds: float
    tokens_per_s: float
    basis: str


def expected(
    spec: Spec,
    tokens_per_epoch: int,
    num_rows: int,
    eval_rows: int,
    device_name: str,
    runs: Sequence[RunFolder],
) -> Pace | None:
    """The pace of the newest finished run of this model, method, length and device, else None.

    `tokens_per_epoch` and `num_rows` are of the training rows, `eval_rows` the held-out ones;
    `device_name` is the card's name, or `cpu` or a name of RAM. Start, evaluations, checkpoints
    and the end are counted as they went there. Reads the newest 20 of `runs` at most.
    """
    if tokens_per_epoch <= 0 or num_rows <= 0:
        return None
    newest = sorted(runs, key=lambda run: run.id, reverse=True)[:_MOST_RUNS]
    for run in newest:
        earlier = _read_spec(run)
        if earlier is None or not _is_same_work(spec, earlier) or not _has_finished(run):
            continue
        course = _read_course(run)
        if course is None or _device(course.plan.device) != _device(device_name):
            continue
        if _is_same_length(spec, tokens_per_epoch / num_rows, course.plan):
            basis = f"as {run.id} went"
            if earlier.train.micro_batch != spec.train.micro_batch:
                basis += f", which had a micro-batch of {earlier.train.micro_batch}"
            seconds = _seconds(spec, tokens_per_epoch, num_rows, eval_rows, course)
            return Pace(seconds, course.tokens_per_s, basis)
    return None


@dataclass(frozen=True, slots=True)
class _Course:
    """How a run's last attempt went, in seconds; evaluation is per held-out row."""

    plan: Plan
    tokens_per_s: float
    begin_s: float
    eval_row_s: float
    save_s: float
    end_s: float


def _seconds(
    spec: Spec, tokens_per_epoch: int, num_rows: int, eval_rows: int, course: _Course
) -> float:
    train = spec.train
    batch = train.micro_batch * train.accumulation
    steps = num_steps(spec, num_rows)
    tokens = tokens_per_epoch * train.epochs
    if train.max_steps:
        tokens = steps * batch * tokens_per_epoch / num_rows
    every = spec.eval.every_steps or max(1, round(steps / 5))
    num_evals = -(-steps // every) if eval_rows else 0
    saves = max(1, num_evals)
    num_evals += bool(eval_rows) and spec.eval.at_start
    eval_row_s = course.eval_row_s
    if not eval_row_s:
        eval_row_s = tokens_per_epoch / num_rows / course.tokens_per_s * _FORWARD_SHARE
    return (
        course.begin_s
        + tokens / course.tokens_per_s
        + num_evals * eval_rows * eval_row_s
        + saves * course.save_s
        + course.end_s
    )


def _read_spec(run: RunFolder) -> Spec | None:
    try:
        return Spec.model_validate(tomllib.loads(run.spec.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError):
        return None


def _is_same_work(spec: Spec, earlier: Spec) -> bool:
    return (
        _place(spec.model.path) == _place(earlier.model.path)
        and spec.train.method == earlier.train.method
    )


def _place(model_path: str) -> Path:
    return Path(model_path).expanduser().resolve()


def _device(name: str) -> str:
    # engine.memory.device names the RAM it found, the worker says cpu
    return "cpu" if name.lower() == "cpu" or name.endswith("RAM") else name


def _is_same_length(spec: Spec, tokens_per_row: float, plan: Plan) -> bool:
    """The same power of two above the longest rows, or rows of about the same mean length."""
    if spec.data.max_length:
        return _power(spec.data.max_length) == _power(plan.max_length)
    mean = plan.tokens_per_epoch / max(1, plan.num_rows)
    return mean / 2 <= tokens_per_row <= mean * 2


def _power(length: int) -> int:
    return max(0, length - 1).bit_length()


def _has_finished(run: RunFolder) -> bool:
    """Whether the log ends with a result; read from its tail alone."""
    try:
        with open(run.events, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            tail = file.read()
    except OSError:
        return False
    return tail.rfind(b'"kind":"finished"') > tail.rfind(b'"kind":"started"')


def _read_course(run: RunFolder) -> _Course | None:
    """How the last attempt went; None where its log does not tell."""
    try:
        log = run.events.read_bytes()
    except OSError:
        return None
    attempt: list[tuple[str, bytes]] = []
    for line in _LINE.finditer(log):
        kind = line[1].decode()
        if kind == Started.kind:
            attempt.clear()
        attempt.append((kind, line[0]))
    stepped = [i for i, (kind, _) in enumerate(attempt) if kind == Step.kind]
    inner = set(stepped[1:-1])
    events = [decode(line) for i, (_, line) in enumerate(attempt) if i not in inner]
    return _course([event for event in events if event is not None])


def _course(events: Sequence[Event]) -> _Course | None:
    """From one attempt's events in order, of its steps only the first and the last."""
    at = {type(event.body): i for i, event in reversed(list(enumerate(events)))}
    steps = [i for i, event in enumerate(events) if isinstance(event.body, Step)]
    if not {Started, Plan, Finished} <= at.keys() or len(steps) != 2:
        return None
    bodies = [event.body for event in events]
    started, plan = bodies[at[Started]], bodies[at[Plan]]
    first, last = bodies[steps[0]], bodies[steps[1]]
    assert isinstance(started, Started) and isinstance(plan, Plan)
    assert isinstance(first, Step) and isinstance(last, Step)
    pauses = [(i, body) for i, body in enumerate(bodies) if isinstance(body, _PAUSES)]
    paused_s = sum(body.elapsed_s for i, body in pauses if steps[0] < i < steps[1])
    trained_s = last.elapsed_s - first.elapsed_s - paused_s
    num_tokens, num_steps = last.tokens - first.tokens, last.step - first.step
    if trained_s <= 0 or num_tokens <= 0 or num_steps <= 0:
        return None
    # The first evaluation and the first step warm up what later ones find warm: what they took
    # beyond the usual belongs to the start.
    evals = [(i, body.elapsed_s) for i, body in pauses if isinstance(body, Evaluated)]
    saves = [body.elapsed_s for _, body in pauses if isinstance(body, Checkpointed)]
    eval_s = statistics.median(spent_s for _, spent_s in evals) if evals else 0.0
    usual_s = eval_s * sum(i < steps[0] for i, _ in evals)
    usual_s += trained_s / num_steps * (first.step - started.from_step)
    after_s = sum(body.elapsed_s for i, body in pauses if i > steps[1])
    begin_s = events[steps[0]].time - events[at[Started]].time - usual_s
    end_s = events[at[Finished]].time - events[steps[1]].time - after_s
    return _Course(
        plan=plan,
        tokens_per_s=num_tokens / trained_s,
        begin_s=max(0.0, begin_s),
        eval_row_s=eval_s / plan.num_eval_rows if plan.num_eval_rows else 0.0,
        save_s=statistics.mean(saves) if saves else 0.0,
        end_s=max(0.0, end_s),
    )
