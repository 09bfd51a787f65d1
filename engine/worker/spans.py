"""Conversations rendered by a Jinja template, and which characters of them are trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from engine.data.rows import Message

Conversation = Sequence[Message]
# Descriptions of the tools that a conversation offers, in OpenAI's form; None without any.
Tools = list[dict[str, Any]] | None
# What rendering can raise: Jinja's own errors, and Python's from expressions in the template.
TEMPLATE_FAULTS = (TemplateError, TypeError, ValueError, LookupError)


class NotExactError(Exception):
    """A conversation whose parts render differently alone and within the whole."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered conversation, and the characters [start, end) of each trained span."""

    text: str
    spans: list[tuple[int, int]]


def has_markers(source: str) -> bool:
    """True where the template marks what the assistant says with {% generation %}."""
    from trl.chat_template_utils import has_generation_markers

    return bool(has_generation_markers(source))


def render(
    tokenizer: Any,
    source: str,
    conversations: Sequence[Conversation],
    *,
    prompt: bool = False,
    tools: Tools = None,
) -> list[str]:
    """Rendered text of each conversation; `prompt` adds the opening of the next answer."""
    if not conversations:
        return []
    texts: list[str] = tokenizer.apply_chat_template(
        [[message.as_dict() for message in conversation] for conversation in conversations],
        tools=tools,
        chat_template=source,
        add_generation_prompt=prompt,
        tokenize=False,
    )
    return texts


def render_marked(
    tokenizer: Any,
    source: str,
    conversations: Sequence[Conversation],
    *,
    unmarked_stop: str = "",
    tools: Tools = None,
) -> list[Rendered]:
    """Rendered text and the spans its markers enclose, with the end token behind them.

    `unmarked_stop` is that token where the markers leave it out, "" where they do not.
    """
    from transformers.utils.chat_template_utils import render_jinja_template

    texts, spans = render_jinja_template(
        conversations=[[m.as_dict() for m in conversation] for conversation in conversations],
        tools=tools,
        chat_template=source,
        return_assistant_tokens_mask=True,
        **tokenizer.special_tokens_map,
    )
    rendered = []
    for text, marked in zip(texts, spans, strict=True):
        ends = [
            (start, end + len(unmarked_stop) if text.startswith(unmarked_stop, end) else end)
            for start, end in marked
        ]
        rendered.append(Rendered(text, ends))
    return rendered


def render_by_prefix(
    tokenizer: Any, source: str, conversations: Sequence[Conversation], *, tools: Tools = None
) -> list[Rendered]:
    """Rendered text and, for each answer, what the text gains between its prompt and its end.

    Whitespace after the end of an answer belongs to the template and is left out. Raises
    NotExactError where a part is no exact prefix of the whole.
    """
    answers = [
        [index for index, message in enumerate(conversation) if message.role == "assistant"]
        for conversation in conversations
    ]
    flat = [(c, i) for c, found in zip(conversations, answers, strict=True) for i in found]
    wholes = render(tokenizer, source, conversations, tools=tools)
    before = [c[:i] for c, i in flat]
    prompts = iter(render(tokenizer, source, before, prompt=True, tools=tools))
    # The last message's end is the end of the whole text, which is rendered already.
    within = [c[: i + 1] for c, i in flat if i + 1 < len(c)]
    inner = iter(render(tokenizer, source, within, tools=tools))
    eos = str(tokenizer.eos_token or "")
    rendered = []
    for conversation, found, text in zip(conversations, answers, wholes, strict=True):
        spans = []
        for index in found:
            prompt = next(prompts)
            upto = text if index + 1 == len(conversation) else next(inner)
            if not text.startswith(upto) and eos:
                # Some (Phi-3) close every text that asks for nothing more with the eos token.
                upto = upto.removesuffix(eos)
            if not (upto.startswith(prompt) and text.startswith(upto)):
                raise NotExactError
            spans.append((len(prompt), max(len(prompt), len(upto.rstrip()))))
        rendered.append(Rendered(text, spans))
    return rendered
