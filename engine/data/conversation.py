"""One record of a known layout turned into turns, or into the fault that forbids it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.data.faults import RowFault
from engine.data.layout import Layout, other_layout
from engine.data.pair import read_pair
from engine.data.rows import Message
from engine.data.text import shown
from engine.data.turns import check_turns, read_tools, read_turns
from engine.data.values import optional_text, parse_cell, present, text_of, type_name


@dataclass(frozen=True, slots=True)
class Conversation:
    """What one record holds: see Row; `remarks` are (kind, field) of what does not forbid it."""

    messages: tuple[Message, ...]
    rejected: tuple[Message, ...]
    tools: str
    remarks: tuple[tuple[str, str], ...]


def read_messages(value: object, layout: Layout, system: str) -> Conversation:
    """The turns of one record; `system` is put first where it has no system prompt.

    Raises RowFault.
    """
    if not isinstance(value, Mapping):
        raise RowFault("not-an-object", "", f"{type_name(value)} {shown(str(value))}")
    other = other_layout(value, layout.name)
    if other:
        raise RowFault("other-layout", "", other)
    parts = layout.parts
    if "text" in parts:
        return _plain_text(value, parts["text"])
    remarks: list[tuple[str, str]] = []
    rejected: list[Message] = []
    if "turns" in parts:
        messages = read_turns(present(value, parts["turns"]), parts["turns"])
    elif "rejected" in parts:
        messages, rejected = read_pair(value, parts)
        remarks.append(("rejected-answers", parts["rejected"]))
    else:
        messages = _from_parts(value, parts, remarks)
    own = optional_text(value, parts.get("system", ""))
    if own.strip():
        if messages and messages[0].role == "system":
            raise RowFault("role-order", parts["system"], "a second system prompt")
        messages.insert(0, Message("system", own))
    if system and not any(message.role == "system" for message in messages):
        messages.insert(0, Message("system", system))
    check_turns(messages, parts.get("turns") or parts["completion"], remarks)
    tools = read_tools(value.get(parts["tools"]), parts["tools"]) if "tools" in parts else ""
    return Conversation(tuple(messages), tuple(rejected), tools, tuple(remarks))


def _plain_text(value: Mapping[str, object], field: str) -> Conversation:
    text = text_of(present(value, field), field)
    if not text.strip():
        raise RowFault("empty-answer", field)
    return Conversation((Message("assistant", text),), (), "", ())


def joined_prompt(prompt: str, context: str) -> str:
    """Instruction and extra context as one user turn, a blank line between them."""
    return f"{prompt}\n\n{context}" if prompt and context else prompt or context


def _from_parts(
    value: Mapping[str, object], parts: Mapping[str, str], remarks: list[tuple[str, str]]
) -> list[Message]:
    if "context" in parts:
        return _question(value, parts)
    if "label" in parts and present(value, parts["label"]) is False:
        raise RowFault("unwanted-answer", parts["label"])
    messages = _history(value, parts.get("history", ""), remarks)
    prompt = present(value, parts["prompt"])
    if isinstance(prompt, list):
        messages += read_turns(prompt, parts["prompt"])
        if any(message.role == "assistant" for message in messages):
            remarks.append(("earlier-answers", parts["prompt"]))
    else:
        text = text_of(prompt, parts["prompt"])
        context = optional_text(value, parts.get("input", ""))
        messages.append(Message("user", joined_prompt(text, context)))
    completion = present(value, parts["completion"])
    if isinstance(completion, list):
        messages += read_turns(completion, parts["completion"])
    else:
        messages.append(Message("assistant", text_of(completion, parts["completion"])))
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
        messages.append(Message("user", text_of(pair[0], field)))
        messages.append(Message("assistant", text_of(pair[1], field)))
    remarks.append(("earlier-answers", field))
    return messages


def _question(value: Mapping[str, object], parts: Mapping[str, str]) -> list[Message]:
    """SQuAD's form: a passage, a question about it, and answers, of which the first is taken."""
    passage = text_of(present(value, parts["context"]), parts["context"])
    question = text_of(present(value, parts["prompt"]), parts["prompt"])
    answers = present(value, parts["completion"])
    texts = answers.get("text") if isinstance(answers, Mapping) else answers
    if isinstance(texts, list):
        if not texts:
            raise RowFault("no-known-answer", parts["completion"])
        first = texts[0]
        texts = first.get("text") if isinstance(first, Mapping) else first
    answer = text_of(texts, parts["completion"])
    return [Message("user", joined_prompt(passage, question)), Message("assistant", answer)]
