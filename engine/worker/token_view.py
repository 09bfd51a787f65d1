"""`engine.worker token-view SPEC_JSON WISH_JSON`: rows token by token, as JSON.

The wish is {"lines": [n...], "worst": n}. Prints one object on stdout, the fields of
engine.data.token_view.TokenView or {"error": {...}}.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine.data.lengths import suggest_max_length
from engine.data.rows import Row
from engine.data.source import Source, open_source, scan_source
from engine.data.token_view import RowTokens, State, TokenPiece, TokenView
from engine.errors import TailfinError
from engine.spec import Spec
from engine.worker.data_report import load_tokenizer, print_answer
from engine.worker.lines import end_with_parent

if TYPE_CHECKING:
    from engine.worker.counts import RowCount
    from engine.worker.template import Template


def main(argv: list[str]) -> int:
    """Answer one wish about a spec (JSON both); exit code 0, or the error's."""
    end_with_parent()
    spec, wish = Spec.model_validate_json(argv[0]), json.loads(argv[1])
    return print_answer(lambda: asdict(view(spec, lines=wish["lines"], worst=wish["worst"])))


def view(spec: Spec, *, lines: Sequence[int] = (), worst: int = 0) -> TokenView:
    """Count all rows, and show those at these lines and the `worst` ones, token by token."""
    data = spec.data
    source = open_source(
        scan_source(data.path), layout=data.format, columns=data.columns, system=data.system
    )
    tokenizer, model_limit = load_tokenizer(spec.model)
    from engine.worker.counts import count_rows
    from engine.worker.tokens import render_template

    template = render_template(tokenizer, spec.model.chat_template)
    rows = (row for chunk in source.chunks() for row in source.read(chunk).rows)
    counts = list(count_rows(rows, tokenizer, template, spec.train.loss_on))
    if not counts:
        raise TailfinError(
            f"{data.path} has no usable row.",
            f"See why with: tailfin data report {data.path}",
            where=data.path,
        )
    limit = data.max_length
    if not limit:
        limit = suggest_max_length([c.num_tokens for c in counts], model_limit).max_length
    wanted = [*_at_lines(counts, lines, data.path), *_worst(counts, limit, worst)]
    return TokenView(
        template=template.name,
        max_length=limit,
        num_rows=len(counts),
        num_tokens=sum(c.num_tokens for c in counts),
        num_trained=sum(c.trained_in(0, limit) for c in counts),
        num_cut_rows=sum(c.num_tokens > limit for c in counts),
        num_untrained=sum(not c.trained_in(1, limit) for c in counts),
        num_endless=sum(not c.eos_trained or c.end >= limit for c in counts),
        rows=tuple(
            _row_tokens(row, tokenizer, template, spec.train.loss_on, limit)
            for row in _read(source, wanted)
        ),
    )


def _at_lines(counts: Sequence[RowCount], lines: Sequence[int], path: str) -> list[int]:
    places = {count.line or count.record + 1: count.record for count in counts}
    for line in lines:
        if line not in places:
            near = min(places, key=lambda place: abs(place - line))
            raise TailfinError(
                f"No usable row begins at line {line} of {path}.",
                f"The nearest one begins at line {near}.",
                where=f"{path}:{line}",
            )
    return [places[line] for line in lines]


def _worst(counts: Sequence[RowCount], limit: int, num: int) -> list[int]:
    """Records of rows that train worst: nothing, no end, doubled begins, most of it cut."""

    def badness(count: RowCount) -> tuple[bool, bool, int, int]:
        return (
            not count.trained_in(1, limit),
            not count.eos_trained or count.end >= limit,
            count.num_dropped + (count.num_bos > 1) + count.num_merged,
            count.trained_in(limit),
        )

    return [count.record for count in sorted(counts, key=badness, reverse=True)[:num]]


def _read(source: Source, records: Sequence[int]) -> list[Row]:
    """Rows of the file again, in the order asked for."""
    wanted = set(records)
    found = {
        row.record: row
        for chunk in source.chunks()
        if wanted
        for row in source.read(chunk).rows
        if row.record in wanted
    }
    return [found[record] for record in dict.fromkeys(records)]


def _row_tokens(
    row: Row, tokenizer: Any, template: Template, loss_on: str, limit: int
) -> RowTokens:
    from engine.worker.encode import encode_rows

    (one,) = encode_rows([row], tokenizer, template, loss_on)
    ids = one.encoding.ids
    special = set(tokenizer.all_special_ids)
    special |= {id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.special}
    trained = bytearray(len(ids))
    for first, behind in one.answers if loss_on == "answers" else [(0, len(ids))]:
        trained[first:behind] = b"\1" * (behind - first)
    pieces, behind = [], 0
    for index, token in enumerate(ids):
        until = one.encoding.token_to_chars(index)[1]
        # What a normalizer left out belongs to the token after it.
        text, behind = one.text[behind:until], max(behind, until)
        state: State = "trained" if trained[index] else "ignored"
        pieces.append(TokenPiece(text, token, state if index < limit else "cut", token in special))
    end = one.ends[-1] if one.ends else -1
    return RowTokens(
        record=row.record,
        line=row.line,
        num_tokens=len(ids),
        num_trained=sum(trained[:limit]),
        num_cut=max(0, len(ids) - limit),
        end="none" if end < 0 else "trained" if end < limit else "cut",
        num_bos=one.num_bos,
        num_merged=one.num_merged,
        num_dropped=one.num_dropped,
        is_served_alike=one.text.startswith(_prompt(row, tokenizer, template)),
        pieces=tuple(pieces),
    )


def _prompt(row: Row, tokenizer: Any, template: Template) -> str:
    """What the model is given for the row's last answer when it is served."""
    from engine.worker.spans import TEMPLATE_FAULTS, render

    last = max((i for i, m in enumerate(row.messages) if m.role == "assistant"), default=0)
    tools = json.loads(row.tools) if row.tools else None
    try:
        source = template.source
        return render(tokenizer, source, [row.messages[:last]], prompt=True, tools=tools)[0]
    except TEMPLATE_FAULTS:
        return ""  # it is the training that is shown; a prompt of its own may be refused
