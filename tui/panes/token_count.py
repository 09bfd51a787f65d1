"""Counts the tokens of the data with the model's tokenizer, in a child that outlives the pane."""

from __future__ import annotations

from engine.data.inspect import Inspector
from tui.draft import Draft


def count_tokens(draft: Draft) -> Inspector | None:
    """A count of the tokens that was started, None where the model is not known yet."""
    model = draft.text("model.path")
    if not model:
        return None
    columns = draft.value("data.columns")
    length = draft.value("data.max_length")
    counting = Inspector()
    counting.start(
        draft.text("data.path"),
        layout=draft.text("data.format") or "auto",
        columns=columns if isinstance(columns, dict) else None,
        system=draft.text("data.system"),
        model=model,
        max_length=length if isinstance(length, int) else 0,
    )
    return counting
