"""What a data file becomes in memory: conversations, each with its place in the file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from engine.findings import Finding

Role = Literal["system", "user", "assistant", "tool"]
Container = Literal["json", "jsonl", "csv", "parquet", "folder"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: `content` is text, never None.

    `tool_calls` is the JSON text of the calls an assistant makes in OpenAI's form (a list of
    {"type": "function", "function": {"name", "arguments"}}), empty where it makes none; the answer
    of a tool is a turn of role tool.
    """

    role: Role
    content: str
    tool_calls: str = ""

    def as_dict(self) -> dict[str, object]:
        said: dict[str, object] = {"role": self.role, "content": self.content}
        return {**said, "tool_calls": json.loads(self.tool_calls)} if self.tool_calls else said


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation that can be trained on.

    `record` counts all records of the file from 0; `line` is the 1-based line where the record
    begins, 0 in containers without lines (Parquet). `rejected` are the turns of the worse answer
    in a preference pair, which stand in place of the last assistant turns of `messages`; `tools`
    is the JSON text of the tools offered to the model, as a list of OpenAI's descriptions. `file`
    names the file where a folder is read; `record` counts those of all its files then.
    """

    messages: tuple[Message, ...]
    record: int
    line: int
    rejected: tuple[Message, ...] = ()
    tools: str = ""
    file: str = ""

    @property
    def user_text(self) -> str:
        return "\n".join(m.content for m in self.messages if m.role == "user")

    @property
    def answer_text(self) -> str:
        return "\n".join(m.content for m in self.messages if m.role == "assistant")

    def as_dicts(self) -> list[dict[str, object]]:
        return [message.as_dict() for message in self.messages]


@dataclass(frozen=True, slots=True)
class Record:
    """One parsed but uninterpreted value of a file, with its place (see Row)."""

    value: object
    record: int
    line: int
    file: str = ""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that was read.

    `layout` is messages, sharegpt, alpaca, prompt_completion or columns; `columns` the confirmed
    mapping of part to column (only for columns); `rows` the usable rows in file order; `problems`
    everything seen on the way, `fail` where rows had to be left out; `num_records` counts all.
    """

    path: str
    container: Container
    layout: str
    columns: dict[str, str]
    rows: tuple[Row, ...]
    problems: tuple[Finding, ...]
    num_records: int
