"""What can be said about rows without a model: duplicates, contradictions, markers, lengths."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.data.faults import place, places
from engine.data.lengths import percentile
from engine.data.rows import DataFile, Row
from engine.data.text import counted, fold
from engine.findings import Finding

# Whole answers that stand for "nothing here" in public instruction sets, folded.
_MARKERS = frozenset({"na", "none", "null", "nan", "nooutput", "undefined", "removed", "deleted"})
# UTF-8 that was read as Windows-1252 or Latin-1, and the sign for bytes that were lost.
_MOJIBAKE = re.compile("[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac|\ufffd")
_NUM_SAMPLED = 3


@dataclass(frozen=True, slots=True)
class Spread:
    """Nearest-rank percentiles of a length."""

    p50: int
    p95: int
    p99: int
    longest: int


@dataclass(frozen=True, slots=True)
class Structure:
    """The part of a data report that needs no tokenizer.

    `num_duplicates` counts rows that repeat an earlier one after folding case, spaces and
    punctuation; `num_contradictions` counts questions that have different answers; `prompt_chars`
    and `answer_chars` are None without rows; `sample` are a few rows, picked by a fixed seed, for
    a person to read.
    """

    num_rows: int
    num_turns: int
    num_multi_turn: int
    num_system_prompts: int
    num_duplicates: int
    num_contradictions: int
    prompt_chars: Spread | None
    answer_chars: Spread | None
    sample: tuple[Row, ...]
    findings: tuple[Finding, ...]


def report_structure(data: DataFile) -> Structure:
    """Check the usable rows of a file; its row-level problems come with the file itself."""
    rows = data.rows
    duplicates, contradictions = _repeats(rows)
    findings = [
        _rows_finding(
            "data.duplicates",
            "repeated an earlier row (case, spaces and punctuation aside)",
            "Remove the copies; each one weighs its row double.",
            duplicates,
            data.path,
        ),
        _rows_finding(
            "data.contradictions",
            "asked a question that another row answers differently",
            "Keep one answer per question, unless variety is the aim.",
            contradictions,
            data.path,
        ),
        _rows_finding(
            "data.marker-answers",
            "answered with a bare marker such as N/A, None or null",
            "Write a real answer or remove these rows.",
            [row for row in rows if _is_marker(row)],
            data.path,
        ),
        _rows_finding(
            "data.echo",
            "repeated the question as the answer",
            "Write a real answer or remove these rows.",
            [row for row in rows if row.user_text.strip() == row.answer_text.strip()],
            data.path,
        ),
        _rows_finding(
            "data.mojibake",
            "had text that was decoded wrongly once (such as \u00c3\u00a9 for \u00e9)",
            "Read the source as UTF-8 and export it again.",
            [row for row in rows if any(_is_mojibake(m.content) for m in row.messages)],
            data.path,
        ),
    ]
    systems = {m.content for row in rows for m in row.messages if m.role == "system"}
    chosen = random.Random(0).sample(range(len(rows)), min(_NUM_SAMPLED, len(rows)))
    return Structure(
        num_rows=len(rows),
        num_turns=sum(len(row.messages) for row in rows),
        num_multi_turn=sum(_num_answers(row) > 1 for row in rows),
        num_system_prompts=len(systems),
        num_duplicates=len(duplicates),
        num_contradictions=len({fold(row.user_text) for row in contradictions}),
        prompt_chars=spread([len(row.user_text) for row in rows]),
        answer_chars=spread([len(row.answer_text) for row in rows]),
        sample=tuple(rows[index] for index in sorted(chosen)),
        findings=tuple(finding for finding in findings if finding),
    )


def spread(lengths: Sequence[int]) -> Spread | None:
    """Percentiles of lengths in any unit, None for no lengths."""
    if not lengths:
        return None
    ordered = sorted(lengths)
    return Spread(
        percentile(ordered, 50), percentile(ordered, 95), percentile(ordered, 99), ordered[-1]
    )


def _repeats(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Rows that repeat an earlier one, and rows whose question has another answer elsewhere."""
    answers: dict[str, dict[str, Row]] = {}
    duplicates = []
    for row in rows:
        system = "".join(m.content for m in row.messages if m.role == "system")
        by_answer = answers.setdefault(fold(f"{system}\n{row.user_text}"), {})
        answer = fold(row.answer_text)
        if answer in by_answer:
            duplicates.append(row)
        else:
            by_answer[answer] = row
    contradictions = [
        row for by_answer in answers.values() if len(by_answer) > 1 for row in by_answer.values()
    ]
    return duplicates, sorted(contradictions, key=lambda row: row.record)


def _is_marker(row: Row) -> bool:
    answers = [message.content for message in row.messages if message.role == "assistant"]
    return len(answers[-1]) < 20 and fold(answers[-1]) in _MARKERS


def _is_mojibake(text: str) -> bool:
    return not text.isascii() and _MOJIBAKE.search(text) is not None


def _num_answers(row: Row) -> int:
    return sum(message.role == "assistant" for message in row.messages)


def _rows_finding(
    finding_id: str, text: str, fix: str, rows: Sequence[Row], path: str
) -> Finding | None:
    if not rows:
        return None
    where = places((row.record, row.line) for row in rows)
    return Finding(
        finding_id,
        "warn",
        f"{counted(len(rows), 'row')} {text}, at {where}.",
        fix,
        place(path, rows[0].record, rows[0].line),
    )
