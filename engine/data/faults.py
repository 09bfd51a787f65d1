"""Faults of single rows, collected while reading and reported once, grouped by kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.data.text import counted, inert
from engine.findings import Finding, Severity, worst_first

_SKIP = "or leave such rows out with --skip-bad-rows."


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault; `fail` means that the row cannot be used."""

    severity: Severity
    text: str
    fix: str


KINDS: dict[str, Kind] = {
    "bad-json": Kind("fail", "could not be parsed as JSON", f"Repair these lines, {_SKIP}"),
    "ragged": Kind(
        "fail",
        "had another number of cells than the header",
        f"Put cells that hold the delimiter in double quotes, {_SKIP}",
    ),
    "bad-quotes": Kind(
        "fail", "had wrong quoting", f'Write quotes inside cells twice (""), {_SKIP}'
    ),
    "not-an-object": Kind(
        "fail", "held no object with named fields", f"Write each row as one object, {_SKIP}"
    ),
    "other-layout": Kind(
        "fail",
        "had another layout than the rest",
        f"Move these rows to a file of their own, {_SKIP}",
    ),
    "missing-field": Kind("fail", "lacked a field", f"Add the field, {_SKIP}"),
    "null-content": Kind("fail", "had null instead of text", f"Fill in the text, {_SKIP}"),
    "wrong-type": Kind(
        "fail", "had something other than text", f"Write it as text in quotes, {_SKIP}"
    ),
    "empty-answer": Kind("fail", "had an empty answer", f"Write the answer, {_SKIP}"),
    "no-answer": Kind("fail", "had no assistant turn", f"Add the answer, {_SKIP}"),
    "unknown-role": Kind(
        "fail",
        "had an unknown role",
        f"Use system, user or assistant (human and gpt are understood too), {_SKIP}",
    ),
    "role-order": Kind(
        "fail",
        "had turns out of order",
        f"Order them: system at most once and first, then user and assistant in turn, {_SKIP}",
    ),
    "not-text": Kind(
        "fail",
        "had an image, sound or file in a turn, which a language model cannot read",
        f"Put its content into words, {_SKIP}",
    ),
    "pair-differs": Kind(
        "fail",
        "had a better and a worse answer to different prompts",
        f"Give both answers the same prompt, {_SKIP}",
    ),
    "unwanted-answer": Kind(
        "warn",
        "had an answer marked as unwanted (label false) and was left out",
        "Only wanted answers are trained here; preference training is another method.",
    ),
    "no-known-answer": Kind(
        "warn",
        "had no answer in its passage and was left out",
        "Write what the model should say then, such as: The text does not say.",
    ),
    "ends-on-tool": Kind(
        "warn",
        "ended on what a tool said, with no answer after it",
        "Add the answer or drop the last call; earlier answers are trained.",
    ),
    "rejected-answers": Kind(
        "info",
        "had a worse answer beside the better one; only the better one is trained",
        "",
    ),
    "broken-text": Kind(
        "fail", "had a broken character (half a surrogate pair)", f"Repair the text, {_SKIP}"
    ),
    "no-content": Kind("fail", "had an empty conversation", f"Add the turns, {_SKIP}"),
    "empty-prompt": Kind("warn", "had an empty user turn", "Fill it in or remove these rows."),
    "ends-on-user": Kind(
        "warn",
        "ended on a user turn, whose answer is missing",
        "Add the answer or drop the last turn; earlier answers are trained.",
    ),
    "empty-system": Kind(
        "warn", "had an empty system prompt", "Remove the system turn or fill it in."
    ),
    "earlier-answers": Kind(
        "info",
        "had earlier answers in the prompt or history; these are trained on too",
        "",
    ),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one record; `field` is its name in the file, `detail` what stood there."""

    kind: str
    field: str
    detail: str
    record: int
    line: int
    file: str = ""


class RowFault(Exception):
    """Raised inside a row's conversion; carries kind, field and detail of its Fault."""

    def __init__(self, kind: str, field: str = "", detail: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.field = field
        self.detail = detail


def group_faults(faults: Iterable[Fault], path: str) -> list[Finding]:
    """One Finding per kind and field, worst first, with count, first places and what was seen."""
    groups: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        groups.setdefault((fault.kind, fault.field), []).append(fault)
    return worst_first(_finding(group, path) for group in groups.values())


def places(where: Iterable[tuple[int, int]], num: int = 3) -> str:
    """`lines 3, 9, 17 and 4 more` for (record, line) pairs; records where there are no lines."""
    pairs = list(where)
    has_lines = all(line > 0 for _, line in pairs)
    numbers = list(dict.fromkeys(line if has_lines else record for record, line in pairs))
    word = "line" if has_lines else "record"
    listed = ", ".join(str(number) for number in numbers[:num])
    more = f" and {len(numbers) - num:,} more" if len(numbers) > num else ""
    return f"{word}{'s' if len(numbers) > 1 else ''} {listed}{more}"


def place(path: str, record: int, line: int) -> str:
    """`file:12`, or `file record 11` (counted from 0) in a container without lines."""
    return f"{path}:{line}" if line else f"{path} record {record}"


def _finding(group: list[Fault], path: str) -> Finding:
    first = group[0]
    kind = KINDS[first.kind]
    num_rows = len({fault.record for fault in group})
    field = f" in field {first.field}" if first.field else ""
    details = list(dict.fromkeys(fault.detail for fault in group if fault.detail))
    seen = f": {'; '.join(details[:3])}{' and others' if len(details) > 3 else ''}"
    where = places((fault.record, 0 if fault.file else fault.line) for fault in group)
    return Finding(
        id=f"data.{first.kind}",
        severity=kind.severity,
        message=inert(
            f"{counted(num_rows, 'row')} {kind.text}{field}, at {where}{seen if details else ''}."
        ),
        fix=kind.fix,
        where=place(first.file or path, first.record, first.line),
    )
