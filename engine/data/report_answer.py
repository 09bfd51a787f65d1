"""The answer of `tailfin data report --json`, checked and read back into values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TypeVar

from pydantic import TypeAdapter

from engine.data.fields import Field
from engine.data.inspect import Inspection, SampleRow, SampleTurn, Unreadable
from engine.data.proposal import MappingProposal
from engine.data.rows import Container
from engine.data.spread import Spread
from engine.data.token_report import TokenReport
from engine.errors import TailfinError
from engine.findings import Finding

T = TypeVar("T")


def parse_answer(said: bytes, path: str) -> Inspection | Unreadable:
    """The value of an envelope about the file `path`; raises ValueError where it is none."""
    envelope = json.loads(said)
    if not isinstance(envelope, dict) or envelope.get("schema") != "tailfin.data/1":
        raise ValueError("not an answer of this command")
    data = envelope["data"] if isinstance(envelope.get("data"), dict) else {}
    if "container" not in data:
        return _refused(_read(TypeAdapter(_Refusal), envelope))
    if data.get("tokens"):
        # They stand in the envelope, among all others.
        data["tokens"] = {**data["tokens"], "findings": []}
    return _inspected(_read(TypeAdapter(_Answer), envelope), path)


@dataclass(frozen=True, slots=True)
class _Message:
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class _SampleRow:
    line: int
    record: int
    messages: tuple[_Message, ...]
    num_more_messages: int


@dataclass(frozen=True, slots=True)
class _Structure:
    num_turns: int
    num_multi_turn: int
    num_system_prompts: int
    num_duplicates: int
    num_contradictions: int
    prompt_chars: Spread | None
    answer_chars: Spread | None


@dataclass(frozen=True, slots=True)
class _Report:
    container: Container
    layout: str
    columns: dict[str, str]
    num_records: int
    num_rows: int
    num_left_out: int
    structure: _Structure
    tokens: TokenReport | None
    sample: tuple[_SampleRow, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    data: _Report
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Unread:
    """Empty where the fault was found before the file was looked at."""

    fields: tuple[Field, ...] = ()
    proposal: MappingProposal | None = None


@dataclass(frozen=True, slots=True)
class _Refusal:
    data: _Unread
    findings: tuple[Finding, ...]


def _read(adapter: TypeAdapter[T], envelope: dict[str, object]) -> T:
    # Strict from JSON, where arrays are tuples and objects are dataclasses, but "1" is no number.
    return adapter.validate_json(json.dumps(envelope), strict=True)


def _inspected(answer: _Answer, path: str) -> Inspection:
    told, structure = answer.data, answer.data.structure
    return Inspection(
        path=path,
        container=told.container,
        layout=told.layout,
        columns=told.columns,
        num_records=told.num_records,
        num_rows=told.num_rows,
        num_left_out=told.num_left_out,
        num_turns=structure.num_turns,
        num_multi_turn=structure.num_multi_turn,
        num_system_prompts=structure.num_system_prompts,
        num_duplicates=structure.num_duplicates,
        num_contradictions=structure.num_contradictions,
        prompt_chars=structure.prompt_chars,
        answer_chars=structure.answer_chars,
        sample=tuple(_sample_row(row) for row in told.sample),
        findings=answer.findings,
        tokens=told.tokens,
        file_columns=tuple(field.name for field in told.fields),
        first_values={field.name: field.first_value for field in told.fields},
    )


def _sample_row(row: _SampleRow) -> SampleRow:
    turns = tuple(SampleTurn(message.role, message.content) for message in row.messages)
    return SampleRow(row.line, row.record, turns, row.num_more_messages)


def _refused(refusal: _Refusal) -> Unreadable:
    if not refusal.findings:
        raise ValueError("a refusal without a reason")
    reason, told = refusal.findings[0], refusal.data
    return Unreadable(
        error=TailfinError(reason.message, reason.fix, where=reason.where, error_id=reason.id),
        proposal=told.proposal,
        file_columns=tuple(field.name for field in told.fields),
        first_values={field.name: field.first_value for field in told.fields},
    )
