"""The questions both models answer: from a file, or the first held-out rows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.bundled import bundled
from engine.data.read import read_data
from engine.data.rows import Message, Row
from engine.errors import TailfinError
from engine.evaluate.delivered import parse_rows
from engine.spec import Spec

DEFAULT_COUNT = 5


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked: the turns so far, and the known answer (empty where there is none)."""

    messages: tuple[Message, ...]
    reference: str

    def as_dicts(self) -> list[dict[str, object]]:
        return [message.as_dict() for message in self.messages]

    @property
    def text(self) -> str:
        """The last user turn, which is what a person would call the question."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")


def as_questions(rows: Iterable[Row]) -> list[Question]:
    """Each row up to its last answer; a row that ends on a question has no reference."""
    found = []
    for row in rows:
        *before, last = row.messages
        if last.role == "assistant":
            found.append(Question(tuple(before), last.content))
        else:
            found.append(Question(row.messages, ""))
    return [question for question in found if question.text]


def read_questions(path: Path, system: str = "") -> list[Question]:
    """Questions from a file: plain text with one per line, JSON lines of messages, or chat data.

    `system` is put before questions without a system prompt. Raises TailfinError.
    """
    if path.suffix.lower() in (".txt", ".text"):
        rows = _lines(_read(path))
    elif _is_messages(text := _peek(path)):
        rows = parse_rows(text, path)
    else:
        rows = list(read_data(path).rows)
    questions = as_questions(_with_system(row, system) for row in rows)
    if not questions:
        raise TailfinError(
            f"The file {path} holds no question.",
            "Write one question per line in a .txt file, or give chat rows.",
            where=path,
        )
    return questions


def usual_questions(spec: Spec) -> Path | None:
    """The bundled questions where a run was trained on the bundled rows, else None.

    They were picked to be looked at; None means the first held-out rows.
    """
    samples = bundled("samples")
    is_demo = os.path.realpath(spec.data.path) == os.path.realpath(samples / "good.jsonl")
    return samples / "questions.jsonl" if is_demo else None


def _lines(text: str) -> list[Row]:
    asked = [(n, line.strip()) for n, line in enumerate(text.splitlines(), start=1)]
    return [Row((Message("user", line),), n - 1, n) for n, line in asked if line]


def _with_system(row: Row, system: str) -> Row:
    if not system or any(message.role == "system" for message in row.messages):
        return row
    return Row((Message("system", system), *row.messages), row.record, row.line)


def _is_messages(text: str) -> bool:
    """True for JSON lines of messages, which unlike training data may lack an answer."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "messages" in value


def _peek(path: Path) -> str:
    """The file as text, empty where it is not UTF-8: the data reader says what is wrong then."""
    try:
        return _read(path).removeprefix("\ufeff")
    except UnicodeDecodeError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TailfinError(
            f"The questions file {path} does not exist.", "Check the path.", where=path
        ) from None
    except OSError as error:
        raise TailfinError(
            f"The questions file {path} could not be read: {error.strerror}.",
            "Check its permissions.",
            where=path,
        ) from None
