"""Rows rendered by a chat template, each with the part that is trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.data.faults import places
from engine.data.rows import Row
from engine.data.text import inert, shown
from engine.errors import TailfinError
from engine.worker.spans import TEMPLATE_FAULTS, NotExactError, Rendered, render, render_marked
from engine.worker.template import Template, not_exact, spans_of, training_variant


def render_rows(
    rows: Sequence[Row], tokenizer: Any, template: Template, loss_on: str
) -> list[Rendered]:
    """Rows as rendered text with their trained spans, in order.

    All at once; on trouble one by one, so that the error names its row. Raises TailfinError where
    the template refuses a row, leaves out what a tool said, or cannot tell its answers apart.
    """
    if any(row.tools for row in rows):  # tools are an argument of the template, not of a turn
        return [_checked(row, _render_one(row, tokenizer, template, loss_on)) for row in rows]
    try:
        rendered = spans_of(tokenizer, template, [row.messages for row in rows])
    except (NotExactError, *TEMPLATE_FAULTS):
        rendered = [_render_one(row, tokenizer, template, loss_on) for row in rows]
    return [_checked(row, one) for row, one in zip(rows, rendered, strict=True)]


def _render_one(row: Row, tokenizer: Any, template: Template, loss_on: str) -> Rendered:
    where = places([(row.record, row.line)])
    tools = json.loads(row.tools) if row.tools else None
    try:
        return spans_of(tokenizer, template, [row.messages], tools)[0]
    except NotExactError:
        pass
    except TEMPLATE_FAULTS as error:
        raise TailfinError(
            f"{template.name} refused the row at {where}: {inert(str(error))}.",
            "Change the row to what the model's template allows, or name another template: "
            "--set model.chat_template=FILE",
            where=where,
            error_id="template.refused",
        ) from None
    variant = training_variant(tokenizer, template.source)
    if variant is not None:
        return render_marked(tokenizer, variant, [row.messages], tools=tools)[0]
    if loss_on == "all":
        text = render(tokenizer, template.source, [row.messages], tools=tools)[0]
        return Rendered(text, [(0, len(text))])
    raise not_exact(template, f"the row at {where}", where)


def _checked(row: Row, rendered: Rendered) -> Rendered:
    """The rendering, where all that tools said and were asked is in it: templates drop it."""
    for message in row.messages:
        wanted = [message.content.strip()] if message.role == "tool" else []
        wanted += [call["function"]["name"] for call in json.loads(message.tool_calls or "[]")]
        for words in wanted:
            if words in rendered.text or json.dumps(words, ensure_ascii=False) in rendered.text:
                continue
            where = places([(row.record, row.line)])
            raise TailfinError(
                f"The chat template leaves out what the row at {where} has of tools: "
                f"{shown(words)}.",
                "Take a model whose template knows tools, name another template "
                "(--set model.chat_template=FILE), or put the calls into words.",
                where=where,
                error_id="template.no-tools",
            )
    return rendered
