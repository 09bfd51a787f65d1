"""One record of a known layout turned into turns, or into the fault that forbids it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping

from engine.data.faults import RowFault
from engine.data.layout import Layout, other_layout
from engine.data.rows import Message, Role
from engine.data.text import is_encodable, shown

# Role values of OpenAI and ShareGPT files; anything else is a fault, because templates drop or
# mislabel turns of roles they do not know.
ROLES: dict[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
}
_JSON_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "true/false"),
    (int, "a number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "an object"),
)


def read_messages(
    value: object, layout: Layout, system: str
) -> tuple[tuple[Message, ...], list[tuple[str, str]]]:
    """The turns of one record, and remarks (kind, field) on things that do not forbid it.

    `system` is put first where the record has no system prompt. Raises RowFault.
    """
    if not isinstance(value, Mapping):
        raise RowFault("not-an-object", "", f"{_type_name(value)} {shown(str(value))}")
    other = other_layout(value, layout.name)
    if other:
        raise RowFault("other-layout", "", other)
    parts = layout.parts
    remarks: list[tuple[str, str]] = []
    if "turns" in parts:
        messages = _turns(_present(value, parts["turns"]), parts["turns"])
    else:
        messages = _from_parts(value, parts, remarks)
    own = _optional_text(value, parts.get("system", ""))
    if own.strip():
        if messages and messages[0].role == "system":
            raise RowFault("role-order", parts["system"], "a second system prompt")
        messages.insert(0, Message("system", own))
    if system and not any(message.role == "system" for message in messages):
        messages.insert(0, Message("system", system))
    _check(messages, parts.get("turns") or parts["completion"], remarks)
    return tuple(messages), remarks


def joined_prompt(prompt: str, context: str) -> str:
    """Instruction and extra context as one user turn, a blank line between them."""
    return f"{prompt}\n\n{context}" if prompt and context else prompt or context


def parse_cell(value: object) -> object:
    """A list that a table stores as JSON text, parsed; anything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _from_parts(
    value: Mapping[str, object], parts: Mapping[str, str], remarks: list[tuple[str, str]]
) -> list[Message]:
    messages = _history(value, parts.get("history", ""), remarks)
    prompt = _present(value, parts["prompt"])
    if isinstance(prompt, list):
        messages += _turns(prompt, parts["prompt"])
        if any(message.role == "assistant" for message in messages):
            remarks.append(("earlier-answers", parts["prompt"]))
    else:
        text = _text(prompt, parts["prompt"])
        context = _optional_text(value, parts.get("input", ""))
        messages.append(Message("user", joined_prompt(text, context)))
    completion = _present(value, parts["completion"])
    if isinstance(completion, list):
        messages += _turns(completion, parts["completion"])
    else:
        messages.append(Message("assistant", _text(completion, parts["completion"])))
    return messages


def _history(
    value: Mapping[str, object], field: str, remarks: list[tuple[str, str]]
) -> list[Message]:
    history = parse_cell(value.get(field)) if field else None
    if history in (None, "", []):
        return []
    messages: list[Message] = []
    for pair in history if isinstance(history, list) else [history]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise RowFault("wrong-type", field, "history is no list of [question, answer] pairs")
        messages.append(Message("user", _text(pair[0], field)))
        messages.append(Message("assistant", _text(pair[1], field)))
    remarks.append(("earlier-answers", field))
    return messages


def _turns(value: object, field: str) -> list[Message]:
    turns = parse_cell(value)
    if not isinstance(turns, list):
        raise RowFault("wrong-type", field, f"{_type_name(turns)} where a list of turns belongs")
    if not turns:
        raise RowFault("no-content", field)
    messages = []
    for turn in turns:
        if not isinstance(turn, Mapping):
            raise RowFault("wrong-type", f"{field}[]", f"{_type_name(turn)} where a turn belongs")
        role_key = "role" if turn.get("role") is not None else "from"
        text_key = "content" if "content" in turn or role_key == "role" else "value"
        if turn.get("tool_calls"):
            raise RowFault("tool-call", f"{field}[].tool_calls")
        role = _role(turn, role_key, f"{field}[]")
        content = _text(_present(turn, text_key, f"{field}[]."), f"{field}[].{text_key}")
        messages.append(Message(role, content))
    return messages


def _role(turn: Mapping[str, object], key: str, field: str) -> Role:
    if key not in turn:
        raise RowFault("missing-field", f"{field}.role")
    said = turn[key]
    role = ROLES.get(said.lower()) if isinstance(said, str) else None
    if role is None:
        raise RowFault("unknown-role", f"{field}.{key}", shown(str(said)))
    return role


def _check(messages: list[Message], field: str, remarks: list[tuple[str, str]]) -> None:
    roles = [message.role for message in messages]
    if "assistant" not in roles:
        raise RowFault("no-answer", field)
    if "system" in roles[1:]:
        raise RowFault("role-order", field, "a system turn that is not the first")
    dialogue = roles[1:] if roles[0] == "system" else roles
    if dialogue[0] != "user":
        raise RowFault("role-order", field, "the assistant speaks first")
    for before, after in itertools.pairwise(dialogue):
        if before == after:
            raise RowFault("role-order", field, f"two {before} turns in a row")
    for message in messages:
        if message.content.strip():
            continue
        if message.role == "assistant":
            raise RowFault("empty-answer", field)
        remarks.append(("empty-prompt" if message.role == "user" else "empty-system", field))
    if dialogue[-1] == "user":
        remarks.append(("ends-on-user", field))


def _present(value: Mapping[str, object], key: str, prefix: str = "") -> object:
    if key not in value:
        raise RowFault("missing-field", f"{prefix}{key}")
    return value[key]


def _optional_text(value: Mapping[str, object], field: str) -> str:
    inner = value.get(field) if field else None
    return "" if inner is None else _text(inner, field)


def _text(value: object, field: str) -> str:
    if value is None:
        raise RowFault("null-content", field)
    if not isinstance(value, str):
        raise RowFault("wrong-type", field, f"{_type_name(value)}, {shown(str(value))}")
    if not is_encodable(value):
        raise RowFault("broken-text", field, shown(value))
    return value


def _type_name(value: object) -> str:
    if value is None:
        return "null"
    return next((name for kind, name in _JSON_TYPES if isinstance(value, kind)), "a value")
