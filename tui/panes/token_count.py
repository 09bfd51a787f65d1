"""Starts reports on a draft's data; a count of its tokens outlives the pane that began it."""

from __future__ import annotations

from engine.command_line import set_words
from engine.data.inspect import Inspector
from engine.spec import Spec
from tui.draft import Draft

# What changes the tokens besides the rows and the model.
_SAID_TOO = ("model.revision", "model.chat_template", "model.trust_remote_code", "train.loss_on")

_READ_AS = (
    *("model.path", "data.path", "data.format", "data.columns", "data.system"),
    "data.max_length",
)


def start_reading(reader: Inspector, path: str, draft: Draft) -> None:
    """Start the report on a file's rows, read as the draft says; raises TailfinError."""
    columns = draft.value("data.columns")
    reader.start(
        path,
        layout=draft.text("data.format") or "auto",
        columns=columns if isinstance(columns, dict) else None,
        system=draft.text("data.system"),
    )


def is_to_count(draft: Draft) -> bool:
    """Whether nobody counted the tokens of the rows there are, or for another maximum length."""
    found = draft.inspection
    if found is None:
        return False
    length = draft.value("data.max_length")
    tokens = found.tokens
    return tokens is None or (length or tokens.suggested) != tokens.lengths.max_length


def spec_of(draft: Draft) -> Spec | None:
    """The settings that decide the tokens; None while the model or the file is not named."""
    if not draft.text("model.path") or not draft.text("data.path"):
        return None
    told: dict[str, dict[str, object]] = {}
    for path in (*_SAID_TOO, *_READ_AS):
        value = draft.value(path)
        if value is not None:
            section, _, name = path.partition(".")
            told.setdefault(section, {})[name] = value
    return Spec.model_validate(told)


def count_tokens(draft: Draft) -> Inspector | None:
    """A count of the data file's tokens, started; None where the model is not known yet."""
    model = draft.text("model.path")
    if not model:
        return None
    columns, length = draft.value("data.columns"), draft.value("data.max_length")
    said = {path: draft.value(path) for path in _SAID_TOO if draft.value(path) is not None}
    counting = Inspector()
    counting.start(
        draft.text("data.path"),
        layout=draft.text("data.format") or "auto",
        columns=columns if isinstance(columns, dict) else None,
        system=draft.text("data.system"),
        model=model,
        max_length=length if isinstance(length, int) else 0,
        sets=[word for word in set_words(said) if word != "--set"],
    )
    return counting
