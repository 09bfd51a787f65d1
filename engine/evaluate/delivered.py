"""What a finished run left behind for every later stage: its result, settings and held-out rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from engine.data.rows import Message, Role, Row
from engine.errors import EXIT_NO, TailfinError
from engine.runs.effective import effective_spec
from engine.runs.state import LIVE, observe
from engine.runs.status import Status
from engine.runs.store import RunFolder
from engine.spec import Spec

_DTYPES = ("bfloat16", "float16", "float32")


@dataclass(frozen=True, slots=True)
class Delivered:
    """A trained result and what is needed to treat it exactly as training did.

    `result` holds an adapter (lora, qlora) or a whole model; `spec` has the settings the last
    attempt really used, with `model.dtype` as loaded then; `max_length` is in tokens.
    """

    run: RunFolder
    status: Status
    spec: Spec
    result: Path
    is_adapter: bool
    max_length: int


def find_delivered(run: RunFolder) -> Delivered:
    """What a run delivered; raises TailfinError while there is nothing, naming what to do."""
    observed = observe(run)
    result = run.result
    # What an earlier attempt delivered is not what the settings of this one describe.
    if result is None or observed.state not in ("finished", "stopped"):
        raise _nothing_yet(run, observed.state in LIVE)
    status = observed.status
    spec = effective_spec(run, dict(status.changes))
    plan = status.plan
    if plan is not None and plan.dtype in _DTYPES:
        model = spec.model.model_copy(update={"dtype": plan.dtype})
        spec = spec.model_copy(update={"model": model})
    max_length = plan.max_length if plan is not None else spec.data.max_length
    if max_length <= 0:
        raise TailfinError(
            f"The run {run.id} does not say at how many tokens its rows were cut.",
            "Its events.jsonl has no plan; train again, or restore that file.",
            where=run.events,
        )
    return Delivered(run, status, spec, result, result == run.adapter, max_length)


def held_out_rows(run: RunFolder) -> list[Row]:
    """The rows that were kept out of training, in file order; empty where none were."""
    try:
        text = run.held_out.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return parse_rows(text, run.held_out)


def parse_rows(text: str, path: Path) -> list[Row]:
    """Rows from JSON lines of `{"messages":[{"role","content"}],"record":n,"line":n}`.

    Raises TailfinError naming file and line.
    """
    rows: list[Row] = []
    # not splitlines(): JSON strings may hold U+2028 and its kin as they are
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            messages = tuple(
                Message(_role(m["role"]), _text(m["content"])) for m in raw["messages"]
            )
            record, at = int(raw.get("record", len(rows))), int(raw.get("line", number))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise TailfinError(
                f"Line {number} of {path} is not a row of messages.",
                'Each line is {"messages": [{"role": "user", "content": "..."}, ...]}.',
                where=f"{path}:{number}",
            ) from None
        if not messages:
            raise TailfinError(
                f"Line {number} of {path} has no messages.",
                "Remove the line or fill it.",
                where=f"{path}:{number}",
            )
        rows.append(Row(messages, record, at))
    return rows


def _role(value: object) -> Role:
    for role in get_args(Role):
        if value == role:
            return cast(Role, role)
    raise ValueError(f"unknown role {value!r}")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise TypeError("content is not text")


def _nothing_yet(run: RunFolder, is_live: bool) -> TailfinError:
    if is_live:
        return TailfinError(
            f"The run {run.id} is still at work and has not delivered its result yet.",
            f"Wait for it (tailfin attach {run.id}), or take what it has learned so far: "
            f"tailfin stop {run.id}",
            where=run.path,
            exit_code=EXIT_NO,
        )
    return TailfinError(
        f"The run {run.id} ended before it delivered a model; if an adapter/ or model/ lies "
        "there, an earlier attempt with other settings left it.",
        f"See why with: tailfin why {run.id}, then continue it with: tailfin resume {run.id}",
        where=run.path,
        exit_code=EXIT_NO,
    )
