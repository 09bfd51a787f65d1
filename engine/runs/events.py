"""The event log's vocabulary: one typed value per line of events.jsonl, and both directions.

A line is `{"v":1,"seq":n,"time":t,"kind":k,...}`, ends in a newline and stays under 4 KiB, so that
one write is one record. Unknown kinds and fields from newer versions are skipped, not errors.
Non-finite numbers are written as the strings NaN, Infinity and -Infinity: JSON has no others, and
a NaN must never turn into a zero or a gap.
"""

from __future__ import annotations

import json
import math
import types
import typing
from dataclasses import dataclass, fields

VERSION = 1
MAX_BYTES = 4096
# No count and no time is as large: beyond, sums and divisions of them are no numbers any more.
_LARGEST_COUNT = 2**53
_LATEST_S = 2.0**40


@dataclass(frozen=True, slots=True)
class Started:
    """An attempt began; `from_step` is the step it continues from, `changes` what it overrides."""

    kind = "started"
    attempt: int
    job: str
    host: str
    boot_id: str
    pid: int
    from_step: int = 0
    changes: dict[str, str] | None = None
    versions: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage began: import, download, load, tokenise, train, eval, save, generate, export."""

    kind = "stage"
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is; `unit` is bytes, rows, tensors or steps, `rate` is per second."""

    kind = "progress"
    stage: str
    done: float
    total: float
    unit: str
    rate: float = 0.0
    eta_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What the run resolved to once model and data were known."""

    kind = "plan"
    max_steps: int
    num_rows: int
    num_eval_rows: int
    max_length: int
    cut_share: float
    epochs: float
    micro_batch: int
    accumulation: int
    total_params: int
    trained_params: int
    tokens_per_epoch: int = 0
    trained_tokens_per_epoch: int = 0
    device: str = ""
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What was foretold of this attempt's peak before it began, in GiB of each tier.

    `tier` is `estimate` or `simulate`; `tensors_gib` compares with torch's peak of allocated
    memory, `reserved_gib` with what its allocator held, `process_gib` with the driver's figure;
    `spread_gib` may come on top of `process_gib`. `step_s` and `tokens_per_s` are 0 where nobody
    could foretell them.
    """

    kind = "predicted"
    tier: str
    device: str
    tensors_gib: float
    reserved_gib: float
    process_gib: float
    spread_gib: float = 0.0
    eval_tensors_gib: float = 0.0
    checkpoint_bytes: int = 0
    step_s: float = 0.0
    tokens_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The longest rows went through a train step, an evaluation and a save, on the real device.

    `rows` x `length` is the micro-batch that was tried, `tokens` its tokens without padding.
    Peaks are in GiB: of tensors, of the allocator, and of the process as the driver sees it (0
    where nobody could say). `step_s` is a whole optimizer step of `accumulation` micro-batches.
    """

    kind = "rehearsed"
    fits: bool
    rows: int
    length: int
    tokens: int
    tensors_gib: float
    reserved_gib: float = 0.0
    process_gib: float = 0.0
    eval_tensors_gib: float = 0.0
    step_s: float = 0.0
    tokens_per_s: float = 0.0
    eval_s: float = 0.0
    save_s: float = 0.0
    checkpoint_bytes: int = 0
    took_s: float = 0.0
    phase: str = ""
    """Where memory ran out; empty where it did not."""


@dataclass(frozen=True, slots=True)
class Step:
    """One logged step. Loss is per trained token; tokens counts all so far; memory is the peak."""

    kind = "step"
    step: int
    epoch: float
    loss: float
    grad_norm: float
    learning_rate: float
    tokens: int
    tokens_per_s: float
    elapsed_s: float
    accuracy: float = math.nan
    entropy: float = math.nan
    vram_gib: float = 0.0
    vram_reserved_gib: float = 0.0
    ram_gib: float = 0.0


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Held-out loss and token accuracy at a step; `best` says whether it is the lowest so far."""

    kind = "eval"
    step: int
    loss: float
    accuracy: float = math.nan
    entropy: float = math.nan
    elapsed_s: float = 0.0
    best: bool = False


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """A whole checkpoint lies on disk; `path` is relative to the run folder."""

    kind = "checkpoint"
    step: int
    path: str
    num_bytes: int
    reason: str
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Pruned:
    """An old checkpoint was removed to keep disk free."""

    kind = "pruned"
    step: int
    path: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth a person's eye, with its remedy."""

    kind = "notice"
    id: str
    severity: str
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Acted:
    """The answer to a request in control/, by its id."""

    kind = "act"
    id: str
    name: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The attempt did all it was asked to; `result` is a path relative to the run folder."""

    kind = "finished"
    step: int
    result: str
    message: str = ""
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Stopped:
    """A person or the box asked the attempt to end; `checkpoint` is where to continue from."""

    kind = "stopped"
    step: int
    reason: str
    checkpoint: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """It could not go on. `error` is oom, disk, gpu, input or crash; `trace` names a side file."""

    kind = "failed"
    error: str
    phase: str
    message: str
    hint: str
    step: int = 0
    trace: str = ""
    exit_code: int = 1


@dataclass(frozen=True, slots=True)
class Exited:
    """Written by the supervisor when a worker ended without a word of its own."""

    kind = "exited"
    exit_code: int
    signal: str
    oom_kills: int
    message: str


Body = (
    Started
    | Stage
    | Progress
    | Plan
    | Predicted
    | Rehearsed
    | Step
    | Evaluated
    | Checkpointed
    | Pruned
    | Notice
    | Acted
    | Finished
    | Stopped
    | Failed
    | Exited
)
_KINDS: dict[str, type[Body]] = {cls.kind: cls for cls in typing.get_args(Body)}
TERMINAL = (Finished, Stopped, Failed)
_TYPES: dict[type[Body], dict[str, object]] = {}


@dataclass(frozen=True, slots=True)
class Event:
    """One record: its number in the log, its unix time in seconds, and what happened."""

    seq: int
    time: float
    body: Body


def encode(event: Event) -> bytes:
    """The record as one line with its newline, at most 4 KiB; overlong texts are cut and say so."""
    for limit in (1200, 600, 200, 60):
        line = _encode(event, limit)
        if len(line) <= MAX_BYTES:
            return line
    raise AssertionError(f"an event of kind {event.body.kind} does not fit {MAX_BYTES} bytes")


def decode(line: bytes | str) -> Event | None:
    """The record in a line, or None for a torn, malformed or unknown one.

    A time outside of 0 to 2**40 s, an integer beyond 2**53 and a progress that is not finite make
    a record malformed.
    """
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict):
        return None
    cls = _KINDS.get(str(raw.get("kind")))
    seq, time = raw.get("seq"), raw.get("time")
    if cls is None or not isinstance(seq, int) or not isinstance(time, int | float):
        return None
    if abs(seq) > _LARGEST_COUNT or not 0 <= time <= _LATEST_S:
        return None
    values: dict[str, object] = {}
    for name, kind in _field_types(cls).items():
        if name in raw:
            try:
                values[name] = _coerce(raw[name], kind)
            except (TypeError, ValueError, OverflowError):
                return None
    try:
        body = cls(**values)  # type: ignore[arg-type]
    except TypeError:
        return None
    if isinstance(body, Progress) and not _is_finite(body):
        return None
    return Event(seq=seq, time=float(time), body=body)


def _encode(event: Event, limit: int) -> bytes:
    record: dict[str, object] = {
        "v": VERSION,
        "seq": event.seq,
        "time": round(event.time, 3),
        "kind": event.body.kind,
    }
    for field in fields(event.body):
        value = getattr(event.body, field.name)
        if value is not None:
            record[field.name] = _plain(value, limit)
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


def _plain(value: object, limit: int) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str) and len(value) > limit:
        return value[: limit - 6] + " (cut)"
    if isinstance(value, dict):
        items = list(value.items())[: max(1, limit // 20)]
        return {str(k)[:100]: _plain(str(v), limit) for k, v in items}
    return value


def _field_types(cls: type[Body]) -> dict[str, object]:
    if cls not in _TYPES:
        hints = typing.get_type_hints(cls)
        _TYPES[cls] = {field.name: hints[field.name] for field in fields(cls)}
    return _TYPES[cls]


def _is_finite(body: Progress) -> bool:
    return all(map(math.isfinite, (body.done, body.total, body.rate, body.eta_s)))


def _coerce(value: object, kind: object) -> object:
    """Check one field against its declared type; a float may come as an int or a word."""
    if isinstance(kind, types.UnionType):
        return None if value is None else _coerce(value, typing.get_args(kind)[0])
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > _LARGEST_COUNT:
            raise OverflowError("no count is as large")
        return value
    if kind is bool and isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str):
        return value
    if typing.get_origin(kind) is dict and isinstance(value, dict):
        return {str(k): str(v) for k, v in value.items()}
    raise TypeError(f"{value!r} is not {kind}")
