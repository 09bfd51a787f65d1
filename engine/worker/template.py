"""Chat templates: which one is used, what it trains, and whether it can be trusted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from engine.data.rows import Message
from engine.data.text import inert, shown
from engine.errors import TailfinError
from engine.findings import Finding
from engine.worker.spans import (
    TEMPLATE_FAULTS,
    Conversation,
    NotExactError,
    Rendered,
    Tools,
    has_markers,
    render,
    render_by_prefix,
    render_marked,
)

Method = Literal["markers", "prefix", "trl"]

# For models without a template. Headers end on a line break, so that no tokenizer merges a header
# with the answer behind it.
_PLAIN = (
    "%s{%% for message in messages %%}"
    "{%% if message['role'] == 'assistant' %%}{{ '### Assistant:\\n' }}"
    "{%% generation %%}{{ message['content'] + eos_token }}{%% endgeneration %%}{{ '\\n\\n' }}"
    "{%% else %%}"
    "{{ '### ' + message['role'] | capitalize + ':\\n' + message['content'] + '\\n\\n' }}"
    "{%% endif %%}{%% endfor %%}"
    "{%% if add_generation_prompt %%}{{ '### Assistant:\\n' }}{%% endif %%}"
)
_REPLIES = ("Zfirst reply", "Zsecond reply")
_PROBE = (
    Message("user", "Qfirst question"),
    Message("assistant", _REPLIES[0]),
    Message("user", "Qsecond question"),
    Message("assistant", _REPLIES[1]),
)


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was tried out on a tokenizer.

    `source` is the Jinja text to serve with, `training` the one training rows are rendered with;
    they differ only where TRL has a training variant (method trl). `method` says how answers are
    found: by {% generation %} markers or by exact prefixes. `stop_ids` are the tokens that end an
    answer, the one the model writes first in front; generation has to stop on any of them.
    `unmarked_stop` is an end token the markers leave out; `append_eos` is set where the template
    ends an answer with no token at all.
    """

    name: str
    source: str
    training: str
    method: Method
    stop_ids: tuple[int, ...]
    append_eos: bool
    unmarked_stop: str
    notices: tuple[Finding, ...]


def render_template(tokenizer: Any, choice: str) -> Template:
    """The template for `model.chat_template`, tried out on a small conversation.

    `auto` takes the tokenizer's own, or plain where it has none; `plain` a simple one; anything
    else is the path of a Jinja file. Raises TailfinError for a file that is missing or broken and
    for a template that refuses plain questions and answers.
    """
    name, source, notices = _choose(tokenizer, choice)
    method: Method = "markers" if has_markers(source) else "prefix"
    template = Template(name, source, source, method, (), False, "", ())
    try:
        if method == "prefix":
            template = _check_prefixes(tokenizer, template, notices)
        template = _find_stop(tokenizer, template, notices)
        _look_at_answers(tokenizer, template, notices)
    except TEMPLATE_FAULTS as error:
        raise _refused(name, error) from None
    _look_at_system(tokenizer, source, notices)
    return replace(template, notices=tuple(notices))


def spans_of(
    tokenizer: Any,
    template: Template,
    conversations: Sequence[Conversation],
    tools: Tools = None,
) -> list[Rendered]:
    """Rendered conversations with their trained spans, by the template's method.

    `tools` are those that all of these conversations offer.
    """
    if template.method == "prefix":
        return render_by_prefix(tokenizer, template.training, conversations, tools=tools)
    return render_marked(
        tokenizer,
        template.training,
        conversations,
        unmarked_stop=template.unmarked_stop,
        tools=tools,
    )


def training_variant(tokenizer: Any, source: str) -> str | None:
    """TRL's training template of the family this template belongs to, None where it has none."""
    from trl.chat_template_utils import get_training_chat_template

    own = tokenizer.chat_template
    tokenizer.chat_template = source
    try:
        variant: str | None = get_training_chat_template(tokenizer)
    except TEMPLATE_FAULTS:
        return None
    finally:
        tokenizer.chat_template = own
    return variant


def not_exact(template: Template, what: str, where: str = "model.chat_template") -> TailfinError:
    """The error for a conversation whose answers cannot be told from its prompts."""
    return TailfinError(
        f"{template.name} renders {what} differently in parts than as a whole, so what the "
        "assistant says cannot be told apart, and TRL has no training variant of it.",
        "Split such rows into one answer each, or give a template with {% generation %} markers: "
        "--set model.chat_template=FILE",
        where=where,
        error_id="template.not-exact",
    )


def _choose(tokenizer: Any, choice: str) -> tuple[str, str, list[Finding]]:
    if choice == "auto":
        own = tokenizer.chat_template
        if isinstance(own, dict):
            own = own.get("default")
        if own:
            return "the model's own template", str(own), []
        said = "The tokenizer has no chat template; a plain one (### User, ### Assistant) is used."
        fix = "Serve the model with the same one, or name a file: --set model.chat_template=FILE"
        notices = [Finding("template.plain", "warn", said, fix, "model.chat_template")]
        return "plain", _plain(tokenizer), notices
    if choice == "plain":
        return "plain", _plain(tokenizer), []
    try:
        source = Path(choice).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise TailfinError(
            f"The chat template {shown(choice, 200)} could not be read: {reason}.",
            "Use auto, plain, or the path of a Jinja file.",
            where="model.chat_template",
        ) from None
    return choice, source, []


def _plain(tokenizer: Any) -> str:
    """The plain template, opening with the bos token where the tokenizer would add it."""
    bos = tokenizer.bos_token_id
    adds_bos = bos is not None and list(tokenizer("").input_ids)[:1] == [bos]
    if not tokenizer.eos_token:
        raise TailfinError(
            "The tokenizer has neither a chat template nor an end-of-text token.",
            "Name a template file: --set model.chat_template=FILE",
            where="model.chat_template",
        )
    return _PLAIN % ("{{ bos_token }}" if adds_bos else "")


def _check_prefixes(tokenizer: Any, template: Template, notices: list[Finding]) -> Template:
    """Try prefixes on one and two turns; a template that rewrites its history needs another way."""
    try:
        render_by_prefix(tokenizer, template.training, [_PROBE[:2], _PROBE])
        return template
    except NotExactError:
        variant = training_variant(tokenizer, template.source)
    if variant is not None:
        said = (
            f"{template.name} renders earlier answers differently as history; rows are rendered "
            "with TRL's training variant of it, which keeps them as they were written."
        )
        notices.append(Finding("template.variant", "info", said, where="model.chat_template"))
        return replace(template, method="trl", training=variant)
    try:
        render_by_prefix(tokenizer, template.training, [_PROBE[:2]])
    except NotExactError:
        raise not_exact(template, "a plain question and answer") from None
    said = (
        f"{template.name} renders earlier answers differently as history; only rows with one "
        "answer can be trained with it."
    )
    fix = "Split rows with several answers into one row per answer."
    notices.append(Finding("template.one-turn", "warn", said, fix, "model.chat_template"))
    return template


def _refused(name: str, error: Exception) -> TailfinError:
    return TailfinError(
        f"The chat template ({name}) failed: {inert(str(error)) or type(error).__name__}.",
        "Correct it, or name another: --set model.chat_template=FILE (or plain)",
        where="model.chat_template",
        error_id="template.refused",
    )


def _find_stop(tokenizer: Any, template: Template, notices: list[Finding]) -> Template:
    """See which tokens end an answer, inside what is trained or right behind it."""
    rendered = spans_of(tokenizer, template, [_PROBE[:2]])[0]
    if not rendered.spans:
        raise TailfinError(
            f"{template.name} marks no answer as the assistant's.",
            "Put {% generation %} and {% endgeneration %} round the assistant's content.",
            where="model.chat_template",
            error_id="template.no-answer",
        )
    begin = rendered.text.find(_REPLIES[0])
    if begin < 0:
        raise TailfinError(
            f"{template.name} dropped the answer of a plain conversation.",
            "Use another template: --set model.chat_template=FILE (or plain)",
            where="model.chat_template",
            error_id="template.no-answer",
        )
    end = rendered.spans[-1][1]
    inside = _special_ids(tokenizer, rendered.text[begin + len(_REPLIES[0]) : end])
    if inside:
        return _with_stops(tokenizer, template, inside, notices)
    behind = _special_ids(tokenizer, rendered.text[end:])
    stop = tokenizer.convert_ids_to_tokens(behind[0]) if behind else ""
    if behind and rendered.text.startswith(stop, end):
        said = f"{template.name} leaves the end token {stop} unmarked; it is trained all the same."
        notices.append(Finding("template.unmarked-stop", "info", said))
        return _with_stops(tokenizer, replace(template, unmarked_stop=stop), behind, notices)
    if tokenizer.eos_token is None:
        return template
    said = f"{template.name} ends an answer with no token; {tokenizer.eos_token} is put there."
    notices.append(Finding("template.eos-added", "info", said))
    return replace(template, append_eos=True, stop_ids=(int(tokenizer.eos_token_id),))


def _look_at_answers(tokenizer: Any, template: Template, notices: list[Finding]) -> None:
    """Tell of a template whose markers leave some answers of a conversation untrained."""
    if template.method == "prefix":
        return
    rendered = spans_of(tokenizer, template, [_PROBE])[0]
    trained = [rendered.text[start:end] for start, end in rendered.spans]
    if not all(any(reply in text for text in trained) for reply in _REPLIES):
        said = f"{template.name} marks only some answers of a conversation; the rest is context."
        fix = "Split rows with several answers into one row per answer to train on all of them."
        notices.append(Finding("template.marks-some", "warn", said, fix, "model.chat_template"))


def _with_stops(
    tokenizer: Any, template: Template, ids: Sequence[int], notices: list[Finding]
) -> Template:
    eos = tokenizer.eos_token_id
    if eos not in ids:
        stop = tokenizer.convert_ids_to_tokens(ids[0])
        said = f"Answers end with {stop}, not with the tokenizer's end token {tokenizer.eos_token}."
        fix = f"Serve the model with {stop} as a stop token."
        notices.append(Finding("template.other-stop", "info", said, fix))
    return replace(template, stop_ids=tuple(dict.fromkeys(ids)))


def _special_ids(tokenizer: Any, text: str) -> list[int]:
    """Ids of the added (control) tokens in a text, in order."""
    if not text:
        return []
    added = set(tokenizer.get_added_vocab().values()) | {tokenizer.eos_token_id}
    ids = tokenizer(text, add_special_tokens=False).input_ids
    # A few vocabularies hold line breaks as added tokens (Gemma).
    return [i for i in ids if i in added and tokenizer.convert_ids_to_tokens(i).strip()]


def _look_at_system(tokenizer: Any, source: str, notices: list[Finding]) -> None:
    """Tell of a system prompt that the template adds by itself, or of one that it drops."""
    system = Message("system", "Zsystem words")
    try:
        without, with_system = render(tokenizer, source, [_PROBE[:1], (system, *_PROBE[:1])])
    except TEMPLATE_FAULTS:
        return  # it refuses system prompts; a row that has one is told by its line
    if system.content not in with_system:
        said = "The chat template drops system prompts: those of the data would not be trained."
        fix = "Move the system text into the first question, or use another template."
        notices.append(Finding("template.drops-system", "warn", said, fix, "model.chat_template"))
        return
    before, _, after = with_system.partition(system.content)
    fits = without.startswith(before) and without.endswith(after)
    default = without[len(before) : len(without) - len(after)] if fits else ""
    if default.strip() and len(before) + len(after) <= len(without):
        said = f"The chat template gives rows without a system prompt its own: {shown(default)}."
        fix = "Serve the model with the same one, or set data.system."
        notices.append(Finding("template.default-system", "info", said, fix))
