"""The token part of a data report, asked of a worker process because it needs a tokenizer."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from engine.data.lengths import LengthAdvice
from engine.errors import TailfinError
from engine.findings import Finding
from engine.runs.launch import worker_command, worker_environment
from engine.spec import Spec

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TokenReport:
    """What a tokenizer says about the rows of a file; lengths are in tokens.

    `template` names the chat template, `method` how answers were found in it (markers, prefix,
    trl), `stop_tokens` what ends an answer. `lengths` holds the maximum length in force and what
    it cuts; `is_suggested` is False where the user gave it; `suggested` is the one the data asks
    for and `model_limit` the model's own (0: unknown). `num_untrained` rows have no trained token
    left at that length, `num_endless` train no end token.
    """

    template: str
    method: str
    stop_tokens: tuple[str, ...]
    num_rows: int
    num_tokens: int
    num_trained: int
    lengths: LengthAdvice
    is_suggested: bool
    suggested: int
    model_limit: int
    num_untrained: int
    num_endless: int
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def report_tokens(spec: Spec) -> TokenReport:
    """Tokenise the spec's data in a worker; raises TailfinError with the worker's own words."""
    return ask_worker(TokenReport, "data-report", spec.model_dump_json())


def ask_worker(
    wanted: type[T], *words: str, started: Callable[[subprocess.Popen[str]], None] | None = None
) -> T:
    """The one answer of a worker, checked; raises TailfinError with the worker's own words.

    `started` is given the process, for somebody who may want to end it.
    """
    from pydantic import TypeAdapter, ValidationError

    command = worker_command(*words)
    with subprocess.Popen(
        command,
        env=worker_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        if started is not None:
            started(process)
        said, log = process.communicate()
    try:
        answer = json.loads(said)
        if process.returncode == 0:
            return TypeAdapter(wanted).validate_python(answer)
        raise _as_error(answer["error"])
    except (ValueError, KeyError, TypeError, ValidationError):
        raise _failed(process.returncode, log) from None


def error_as_dict(error: TailfinError) -> dict[str, object]:
    """An error for its way over a pipe, read back by `report_tokens`."""
    return {
        "message": error.message,
        "hint": error.hint,
        "where": error.where,
        "error_id": error.error_id,
        "exit_code": error.exit_code,
    }


def _as_error(answer: Mapping[str, object]) -> TailfinError:
    return TailfinError(
        str(answer["message"]),
        str(answer["hint"]),
        where=str(answer["where"]),
        error_id=str(answer["error_id"]),
        exit_code=int(str(answer["exit_code"])),
    )


def _failed(code: int, log: str) -> TailfinError:
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "it said nothing")
    return TailfinError(
        f"The token report ended with code {code}: {last.strip()}.",
        "Check the training stack with: tailfin doctor",
        error_id="data.token-report",
        exit_code=1,
    )
