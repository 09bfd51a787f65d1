"""Rows as token ids with labels: the assistant's words are trained, nothing else."""

from __future__ import annotations

import bisect
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

from engine.data.faults import places
from engine.data.rows import Row
from engine.errors import TailfinError
from engine.findings import Finding
from engine.worker.render import render_rows
from engine.worker.spans import Rendered
from engine.worker.template import Template, render_template

__all__ = [
    "Template",
    "TokenRow",
    "check_contents",
    "check_tokens",
    "render_template",
    "tokenise_rows",
]

IGNORED = -100
_BATCH = 1000
# An end token may be followed by a line break of one or two tokens (ChatML, Metaspace).
_TAIL = 4
_start, _end = itemgetter(0), itemgetter(1)


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One row as tokens, not cut yet.

    `labels` are the ids where trained and -100 elsewhere; `num_trained` counts them, `num_answer`
    counts the tokens of answers; `eos_trained` tells whether the last answer's end token is
    trained; `num_bos` counts begin tokens in front (more than one is a fault); `num_merged`
    counts answers whose first token also holds prompt text. `record` and `line` as in Row.
    """

    input_ids: list[int]
    labels: list[int]
    num_trained: int
    num_answer: int
    eos_trained: bool
    record: int
    line: int
    num_bos: int = 0
    num_merged: int = 0


def tokenise_rows(
    rows: Sequence[Row],
    tokenizer: Any,
    template: Template,
    *,
    loss_on: Literal["answers", "all"] = "answers",
    num_proc: int = 0,
) -> list[TokenRow]:
    """Render and tokenise rows, in order and uncut; every answer and its end token is trained.

    `num_proc` above 1 uses so many processes. Raises TailfinError naming the row and the template
    where its answers cannot be told from its prompts, or where the template refuses it.
    """
    if not tokenizer.is_fast:
        raise TailfinError(
            "The tokenizer of this model gives no character positions (it has no tokenizer.json), "
            "so answers cannot be told from prompts.",
            "Convert it to a fast tokenizer, or use a model that has one.",
            where="model.path",
        )
    batches = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
    if num_proc > 1 and len(batches) > 1:
        return _in_processes(batches, tokenizer, template, loss_on, min(num_proc, len(batches)))
    return [
        token_row
        for batch in batches
        for token_row in _tokenise_batch(batch, tokenizer, template, loss_on)
    ]


def check_tokens(
    token_rows: Sequence[TokenRow], max_length: int, packing: bool = False
) -> list[Finding]:
    """What would train badly or not at all at this maximum length (0: no limit)."""
    if not token_rows:
        return []
    limit = max_length or max(len(row.input_ids) for row in token_rows)
    findings = []
    # The first token is context even where it is labelled: nothing comes before it.
    untrained = [r for r in token_rows if not _any_trained(r.labels[1:limit])]
    if untrained:
        fate = "fill their packs with nothing to learn" if packing else "are dropped by the trainer"
        said = f"{_rows(untrained)} no trained token within {limit} tokens, at {_at(untrained)}"
        findings.append(
            Finding(
                "data.untrained-rows",
                "fail",
                f"{said}; such rows {fate}.",
                "Shorten the prompts, remove these rows, or raise data.max_length.",
                "data.max_length",
            )
        )
    findings += _check_ends(token_rows)
    gone = {id(row) for row in untrained}
    cut = [r for r in token_rows if id(r) not in gone and _any_trained(r.labels[limit:])]
    if cut:
        lost = sum(label != IGNORED for row in cut for label in row.labels[limit:])
        share = lost / max(1, sum(row.num_trained for row in token_rows))
        said = f"{len(cut)} of {len(token_rows)} answers are cut at {limit} tokens, at {_at(cut)}"
        findings.append(
            Finding(
                "data.cut-answers",
                "warn",
                f"{said}; {share:.1%} of the trained tokens and their end tokens are lost.",
                f"Raise data.max_length as far as the model allows "
                f"({max(len(row.input_ids) for row in cut)} cuts none), or shorten them.",
                "data.max_length",
            )
        )
    merged = [row for row in token_rows if row.num_merged]
    if merged:
        said = f"{_rows(merged)} an answer whose first token also holds prompt text"
        findings.append(
            Finding(
                "data.merged-tokens",
                "warn",
                f"{said}, at {_at(merged)}; the model sees other tokens when it is used.",
                "Start these answers without the space or sign that merges.",
            )
        )
    return findings


def check_contents(rows: Sequence[Row], tokenizer: Any) -> list[Finding]:
    """Warn of control tokens inside content, where they become real ones (a stop in mid-answer)."""
    tokens = {str(t) for t in tokenizer.all_special_tokens}
    tokens |= {t.content for t in tokenizer.added_tokens_decoder.values() if t.special}
    tokens = {token for token in tokens if len(token) > 1}
    if not tokens:
        return []
    pattern = re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))))
    found: list[Row] = []
    seen: dict[str, None] = {}
    for row in rows:
        matches = [match for m in row.messages if (match := pattern.search(m.content))]
        if matches:
            found.append(row)
            seen.update(dict.fromkeys(match.group() for match in matches))
    if not found:
        return []
    num = "1 row has" if len(found) == 1 else f"{len(found)} rows have"
    where = places((row.record, row.line) for row in found)
    return [
        Finding(
            "data.control-tokens",
            "warn",
            f"{num} control tokens of the model in the text ({', '.join(list(seen)[:3])}), "
            f"at {where}; they act as real ones.",
            "Remove them from the text.",
        )
    ]


def _tokenise_batch(
    rows: Sequence[Row], tokenizer: Any, template: Template, loss_on: str
) -> list[TokenRow]:
    rendered = render_rows(rows, tokenizer, template, loss_on)
    if template.append_eos:
        rendered = [
            _with_eos(one, str(tokenizer.eos_token))
            if row.messages[-1].role == "assistant"
            else one
            for row, one in zip(rows, rendered, strict=True)
        ]
    # The text holds its special tokens already; adding them again would double the first one.
    encoded = tokenizer(
        [one.text for one in rendered],
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        return_offsets_mapping=True,
        verbose=False,
    )
    stops = set(template.stop_ids)
    return [
        _label(row, one, ids, offsets, stops, tokenizer.bos_token_id, loss_on)
        for row, one, ids, offsets in zip(
            rows, rendered, encoded["input_ids"], encoded["offset_mapping"], strict=True
        )
    ]


def _label(
    row: Row,
    rendered: Rendered,
    ids: list[int],
    offsets: list[tuple[int, int]],
    stops: set[int],
    bos: int | None,
    loss_on: str,
) -> TokenRow:
    """A token is trained when any of its characters lies in a trained span."""
    labels = [IGNORED] * len(ids)
    num_merged = 0
    last = (0, 0)
    for start, end in rendered.spans:
        first = bisect.bisect_right(offsets, start, key=_end)
        behind = bisect.bisect_left(offsets, end, key=_start)
        if first >= behind:
            continue
        labels[first:behind] = ids[first:behind]
        num_merged += offsets[first][0] < start
        last = (first, behind)
    num_answer = len(labels) - labels.count(IGNORED)
    if loss_on == "all":
        labels = list(ids)
    tail = ids[max(last[0], last[1] - _TAIL) : last[1]]
    num_bos = next((i for i, token in enumerate(ids) if token != bos), len(ids))
    return TokenRow(
        input_ids=ids,
        labels=labels,
        num_trained=len(ids) if loss_on == "all" else num_answer,
        num_answer=num_answer,
        eos_trained=not stops.isdisjoint(tail),
        record=row.record,
        line=row.line,
        num_bos=num_bos,
        num_merged=num_merged,
    )


def _with_eos(rendered: Rendered, eos: str) -> Rendered:
    """The end token put behind the last answer, where serving would expect it."""
    start, end = rendered.spans[-1]
    text = rendered.text[:end] + eos + rendered.text[end:]
    return Rendered(text, [*rendered.spans[:-1], (start, end + len(eos))])


def _check_ends(token_rows: Sequence[TokenRow]) -> list[Finding]:
    findings = []
    endless = [row for row in token_rows if not row.eos_trained]
    if len(endless) == len(token_rows):
        findings.append(
            Finding(
                "data.eos-untrained",
                "fail",
                "No row trains the token that ends an answer; the model would never stop.",
                "Use a template that ends answers with a token, or: "
                "--set model.chat_template=plain",
                "model.chat_template",
            )
        )
    elif endless:
        said = f"{_rows(endless)} an answer whose end token is not trained, at {_at(endless)}."
        fix = "Check that these rows end on an answer."
        findings.append(Finding("data.eos-missing", "warn", said, fix))
    doubled = [row for row in token_rows if row.num_bos > 1]
    if doubled:
        said = f"{_rows(doubled)} more than one begin token in front, at {_at(doubled)}."
        fix = "Remove the begin token from the chat template or from the text."
        findings.append(Finding("data.double-bos", "warn", said, fix, "model.chat_template"))
    return findings


def _any_trained(labels: list[int]) -> bool:
    return any(label != IGNORED for label in labels)


def _rows(rows: Sequence[TokenRow]) -> str:
    return "1 row has" if len(rows) == 1 else f"{len(rows)} rows have"


def _at(rows: Sequence[TokenRow]) -> str:
    return places((row.record, row.line) for row in rows)


_worker: dict[str, Any] = {}


def _in_processes(
    batches: Sequence[Sequence[Row]],
    tokenizer: Any,
    template: Template,
    loss_on: str,
    num_proc: int,
) -> list[TokenRow]:
    """Batches spread over fresh processes: a forked one could inherit a tokenizer's held locks."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(
        num_proc,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_process,
        initargs=(tokenizer, template, loss_on),
    ) as pool:
        done: list[TokenRow] = []
        for result in pool.map(_tokenise_in_process, batches):
            if isinstance(result, _Failure):
                raise TailfinError(
                    result.message, result.hint, where=result.where, error_id=result.error_id
                )
            done += result
        return done


@dataclass(frozen=True, slots=True)
class _Failure:
    """A TailfinError on its way between processes."""

    message: str
    hint: str
    where: str
    error_id: str


def _start_process(tokenizer: Any, template: Template, loss_on: str) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _worker.update(tokenizer=tokenizer, template=template, loss_on=loss_on)


def _tokenise_in_process(batch: Sequence[Row]) -> list[TokenRow] | _Failure:
    try:
        return _tokenise_batch(batch, _worker["tokenizer"], _worker["template"], _worker["loss_on"])
    except TailfinError as error:
        return _Failure(error.message, error.hint, error.where, error.error_id)
