"""Lists of turns, as OpenAI and ShareGPT files have them, with the calls of tools."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence

from engine.data.faults import RowFault
from engine.data.rows import Message, Role
from engine.data.text import shown
from engine.data.values import parse_cell, present, text_of, type_name

# Role values of OpenAI and ShareGPT files; anything else is a fault, because templates drop or
# mislabel turns of roles they do not know.
ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
# What may follow a role: an answer follows a question or what a tool said. A call of a tool is
# followed by what the tool said, which the caller of this table looks after.
_FOLLOWS: dict[Role, tuple[Role, ...]] = {
    "user": ("assistant",),
    "assistant": ("user",),
    "tool": ("tool", "assistant"),
}


def read_turns(value: object, field: str) -> list[Message]:
    """The turns of a list, or of a table's cell that holds one as JSON; raises RowFault."""
    turns = parse_cell(value)
    if not isinstance(turns, list):
        raise RowFault("wrong-type", field, f"{type_name(turns)} where a list of turns belongs")
    if not turns:
        raise RowFault("no-content", field)
    return [_turn(turn, field) for turn in turns]


def read_tools(value: object, field: str) -> str:
    """The tools a row offers, as JSON text of a list; empty where it offers none."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except (ValueError, RecursionError):
            raise RowFault("wrong-type", field, "text that is no JSON list of tools") from None
    if value in (None, []):
        return ""
    if not isinstance(value, list):
        raise RowFault("wrong-type", field, f"{type_name(value)} where a list of tools belongs")
    return _as_json([_described(tool, field) for tool in value], field)


def check_turns(messages: Sequence[Message], field: str, remarks: list[tuple[str, str]]) -> None:
    """Raise RowFault where turns are missing or out of order; remark what is merely odd."""
    roles = [message.role for message in messages]
    if "assistant" not in roles:
        raise RowFault("no-answer", field)
    if "system" in roles[1:]:
        raise RowFault("role-order", field, "a system turn that is not the first")
    dialogue = messages[1:] if roles[0] == "system" else messages
    if dialogue[0].role != "user":
        who = "the assistant" if dialogue[0].role == "assistant" else "a tool"
        raise RowFault("role-order", field, f"{who} speaks first")
    for before, after in itertools.pairwise(dialogue):
        _check_order(before, after, field)
    for message in messages:
        if message.content.strip() or message.tool_calls or message.role == "tool":
            continue
        if message.role == "assistant":
            raise RowFault("empty-answer", field)
        remarks.append(("empty-prompt" if message.role == "user" else "empty-system", field))
    if dialogue[-1].role == "user":
        remarks.append(("ends-on-user", field))
    if dialogue[-1].role == "tool":
        remarks.append(("ends-on-tool", field))


def _check_order(before: Message, after: Message, field: str) -> None:
    if before.tool_calls and after.role == "tool":
        return
    if after.role in _FOLLOWS[before.role] and not before.tool_calls:
        return
    if before.tool_calls:
        raise RowFault("role-order", field, "a call of a tool that no tool answers")
    if after.role == "tool":
        raise RowFault("role-order", field, "a tool speaks that was not called")
    if before.role == "tool":
        raise RowFault("role-order", field, "a user turn right after a tool")
    raise RowFault("role-order", field, f"two {before.role} turns in a row")


def _turn(turn: object, field: str) -> Message:
    if not isinstance(turn, Mapping):
        raise RowFault("wrong-type", f"{field}[]", f"{type_name(turn)} where a turn belongs")
    role_key = "role" if turn.get("role") is not None else "from"
    text_key = "content" if "content" in turn or role_key == "role" else "value"
    role = _role(turn, role_key, f"{field}[]")
    calls = _calls(turn, field)
    if turn.get(role_key) == "function_call":  # ShareGPT: the call is the turn's text
        said = text_of(present(turn, text_key, f"{field}[]."), f"{field}[].{text_key}")
        return Message(role, "", _as_json(_call_in_text(said, field), field))
    if calls and turn.get(text_key) is None:
        return Message(role, "", calls)
    where = f"{field}[].{text_key}"
    content = _parts_text(present(turn, text_key, f"{field}[]."), where)
    return Message(role, content, calls)


def _role(turn: Mapping[str, object], key: str, field: str) -> Role:
    if key not in turn:
        raise RowFault("missing-field", f"{field}.role")
    said = turn[key]
    role = ROLES.get(said.lower()) if isinstance(said, str) else None
    if role is None:
        raise RowFault("unknown-role", f"{field}.{key}", shown(str(said)))
    return role


def _parts_text(value: object, field: str) -> str:
    """Text, or OpenAI's list of parts where all of them are text; images are a fault."""
    if not isinstance(value, list) or not all(isinstance(part, Mapping) for part in value):
        return text_of(value, field)
    texts = []
    for part in value:
        if part.get("type") != "text":
            raise RowFault("not-text", field, shown(str(part.get("type"))))
        texts.append(text_of(part.get("text"), f"{field}[].text"))
    return "".join(texts)


def _calls(turn: Mapping[str, object], field: str) -> str:
    calls = turn.get("tool_calls")
    single = turn.get("function_call")
    if single is not None and not calls:
        calls = [single]  # OpenAI's older form
    if not calls:
        return ""
    if not isinstance(calls, list):
        raise RowFault("wrong-type", f"{field}[].tool_calls", f"{type_name(calls)}, not a list")
    return _as_json([_call(call, f"{field}[].tool_calls") for call in calls], field)


def _call(call: object, field: str) -> dict[str, object]:
    """One call in OpenAI's form, its arguments as an object, as templates want them."""
    inner = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
        raise RowFault("wrong-type", field, "a call without the name of a function")
    arguments = inner.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError):
            raise RowFault("wrong-type", field, "arguments that are no JSON") from None
    made: dict[str, object] = {"type": "function"}
    if isinstance(call, Mapping) and isinstance(call.get("id"), str):
        made["id"] = call["id"]
    return {**made, "function": {"name": inner["name"], "arguments": arguments}}


def _call_in_text(said: str, field: str) -> list[dict[str, object]]:
    try:
        value = json.loads(said)
    except (ValueError, RecursionError):
        raise RowFault("wrong-type", field, "a function call that is no JSON") from None
    return [_call(call, field) for call in (value if isinstance(value, list) else [value])]


def _described(tool: object, field: str) -> object:
    """A tool in OpenAI's form; a bare description of a function is put into it."""
    if not isinstance(tool, Mapping):
        raise RowFault("wrong-type", field, f"{type_name(tool)} where a tool belongs")
    return tool if "function" in tool else {"type": "function", "function": tool}


def _as_json(value: object, field: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError, TypeError):
        raise RowFault("wrong-type", field, "something that cannot be written as JSON") from None
