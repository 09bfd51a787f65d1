"""Rows as records of a layout, and what a layout cannot hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engine.data.rows import Message, Row
from engine.data.text import is_encodable

_SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
Record = dict[str, object]


class CannotHold(Exception):
    """Raised where a layout lacks a place for what a row cannot do without."""


@dataclass(frozen=True, slots=True)
class Held:
    """A record, and in a few words each what it had to leave out."""

    record: Record
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A layout to write.

    With `turns`, questions and answers of prompt_completion and preference are lists of turns,
    which all rows of a file must be for other readers; otherwise they are texts.
    """

    layout: str
    turns: bool = False


def choose_form(layout: str, rows: Iterable[Row]) -> Form:
    """The form in which all rows of a file can be written alike."""
    if layout not in ("prompt_completion", "preference"):
        return Form(layout)
    return Form(layout, any(not _is_plain(row) for row in rows))


def hold(row: Row, form: Form) -> Held:
    """The row as a record, which reads back as the same row but for what is `lost`.

    Raises CannotHold.
    """
    is_text = len(row.messages) == 1 and row.messages[0].role == "assistant"
    if is_text and form.layout != "text":
        raise CannotHold("was plain text, in which question and answer cannot be told apart")
    held = _HOLDERS[form.layout](row, form)
    if row.rejected and form.layout != "preference":
        return Held(held.record, (*held.lost, "lost the worse answer of its pair"))
    return held


def _messages(row: Row, form: Form) -> Held:
    record: Record = {"messages": _turns(row.messages)}
    if row.tools:
        record["tools"] = json.loads(row.tools)
    return Held(record)


def _sharegpt(row: Row, form: Form) -> Held:
    turns = []
    for message in row.messages:
        if not message.tool_calls:
            turns.append({"from": _SHAREGPT[message.role], "value": message.content})
            continue
        if message.content.strip():
            raise CannotHold("had a turn that speaks and calls a tool at once")
        turns.append({"from": "function_call", "value": dumped(_bare_calls(message.tool_calls))})
    record: Record = {"conversations": turns}
    return Held({**record, "tools": row.tools} if row.tools else record)


def _alpaca(row: Row, form: Form) -> Held:
    _refuse_tools(row)
    system, dialogue = _system(row)
    said = [message.content for message in dialogue]
    if [message.role for message in dialogue] != ["user", "assistant"] * (len(said) // 2):
        raise CannotHold("did not go from question to answer, turn by turn")
    # Readers take an empty system prompt for none.
    is_lost = system is not None and not system.strip()
    record: Record = {
        "instruction": said[-2],
        "input": "",
        "output": said[-1],
        "system": "" if is_lost or system is None else system,
        "history": [said[start : start + 2] for start in range(0, len(said) - 2, 2)],
    }
    return Held(record, ("lost an empty system prompt",) if is_lost else ())


def _prompt_completion(row: Row, form: Form) -> Held:
    if row.tools:
        raise CannotHold("offered tools")
    *before, last = row.messages
    if last.role != "assistant":
        raise CannotHold("did not end on an answer")
    if not form.turns:
        return Held({"prompt": before[0].content, "completion": last.content})
    earlier = any(message.role == "assistant" for message in before)
    lost = ("has earlier answers in its prompt, which most trainers do not train on",)
    return Held({"prompt": _turns(before), "completion": _turns([last])}, lost if earlier else ())


def _preference(row: Row, form: Form) -> Held:
    if not row.rejected:
        raise CannotHold("had no worse answer")
    if row.tools:
        raise CannotHold("offered tools")
    cut = _answer_begins(row)
    prompt, chosen = row.messages[:cut], row.messages[cut:]
    if not form.turns:
        texts = (prompt[0].content, chosen[0].content, row.rejected[0].content)
        return Held(dict(zip(("prompt", "chosen", "rejected"), texts, strict=True)))
    return Held(
        {"prompt": _turns(prompt), "chosen": _turns(chosen), "rejected": _turns(row.rejected)}
    )


def _text(row: Row, form: Form) -> Held:
    _refuse_tools(row)
    text = "\n\n".join(message.content for message in row.messages)
    roles = "lost its roles: turns are joined by an empty line"
    return Held({"text": text}, (roles,) if len(row.messages) > 1 else ())


_HOLDERS: dict[str, Callable[[Row, Form], Held]] = {
    "messages": _messages,
    "sharegpt": _sharegpt,
    "alpaca": _alpaca,
    "prompt_completion": _prompt_completion,
    "preference": _preference,
    "text": _text,
}
LAYOUTS = tuple(_HOLDERS)


def dumped(value: object) -> str:
    """The value as JSON; escapes only where half a surrogate pair could not be stored."""
    text = json.dumps(value, ensure_ascii=False)
    return text if is_encodable(text) else json.dumps(value)


def _is_plain(row: Row) -> bool:
    """One question and one answer, in texts that no reader takes for turns."""
    roles = [message.role for message in row.messages]
    if roles != ["user", "assistant"] or row.messages[1].tool_calls:
        return False
    if not row.rejected:
        return True
    if len(row.rejected) > 1 or row.rejected[0].tool_calls:
        return False
    texts = [message.content for message in (*row.messages, *row.rejected)]
    return not any(
        text.lstrip().startswith("[") or "Human:" in text or "Assistant:" in text for text in texts
    )


def _answer_begins(row: Row) -> int:
    """Where the better answer of a pair begins: as many turns before the end as the worse has."""
    cut = len(row.messages) - len(row.rejected)
    if cut < 1 or row.messages[cut].role != row.rejected[0].role:
        raise CannotHold("had answers of different numbers of turns")
    return cut


def _system(row: Row) -> tuple[str | None, tuple[Message, ...]]:
    if row.messages[0].role == "system":
        return row.messages[0].content, row.messages[1:]
    return None, row.messages


def _refuse_tools(row: Row) -> None:
    if row.tools or any(m.tool_calls or m.role == "tool" for m in row.messages):
        raise CannotHold("offered or called tools")


def _turns(messages: Iterable[Message]) -> list[Record]:
    return [_turn(message) for message in messages]


def _turn(message: Message) -> Record:
    if not message.tool_calls:
        return {"role": message.role, "content": message.content}
    calls = json.loads(message.tool_calls)
    for call in calls:
        arguments = call["function"]["arguments"]
        if isinstance(arguments, str):
            # A bare text would be read as JSON.
            call["function"]["arguments"] = json.dumps(arguments)
    return {"role": message.role, "content": message.content, "tool_calls": calls}


def _bare_calls(tool_calls: str) -> list[Record]:
    """Calls as ShareGPT's readers know them: name and arguments, with the id where there is one."""
    bare = []
    for call in json.loads(tool_calls):
        function = call["function"]
        arguments = function["arguments"]
        said = json.dumps(arguments) if isinstance(arguments, str) else arguments
        own: Record = {"id": call["id"]} if "id" in call else {}
        bare.append({**own, "name": function["name"], "arguments": said})
    return bare
