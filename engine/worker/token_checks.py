"""What tokens tell of rows before training: nothing trained, no end, cut answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from engine.data.faults import places
from engine.data.rows import Row
from engine.findings import Finding
from engine.worker.template import Template

# Answers that a stop token cuts short: so many are a slip, more are a format.
_FEW_STOPPED = 3
_SHARE_STOPPED = 0.01


class Counted(Protocol):
    """A row of which the trained tokens are known: TokenRow and RowCount."""

    @property
    def num_tokens(self) -> int: ...
    @property
    def num_trained(self) -> int: ...
    @property
    def eos_trained(self) -> bool: ...
    @property
    def end(self) -> int: ...
    @property
    def num_bos(self) -> int: ...
    @property
    def num_merged(self) -> int: ...
    @property
    def num_dropped(self) -> int: ...
    @property
    def record(self) -> int: ...
    @property
    def line(self) -> int: ...
    def trained_in(self, start: int, stop: int | None = None) -> int: ...


def check_tokens(
    token_rows: Sequence[Counted],
    max_length: int,
    packing: bool = False,
    *,
    max_untrained_share: float = 0.0,
) -> list[Finding]:
    """What would train badly or not at all at this maximum length (0: no limit).

    Rows without a trained token fail where they are more than `max_untrained_share` of all.
    """
    if not token_rows:
        return []
    limit = max_length or max(row.num_tokens for row in token_rows)
    findings = []
    # The first token is context even where it is labelled: nothing comes before it.
    untrained = [row for row in token_rows if not row.trained_in(1, limit)]
    if untrained:
        too_many = len(untrained) > max_untrained_share * len(token_rows)
        fate = "would fill packs with nothing to learn" if packing else "teach nothing"
        said = f"{_rows(untrained)} no trained token within {limit} tokens, at {_at(untrained)}"
        findings.append(
            Finding(
                "data.untrained-rows",
                "fail" if too_many else "warn",
                f"{said}; such rows {fate} and are left out.",
                "Shorten the prompts, remove these rows, or raise data.max_length.",
                "data.max_length",
            )
        )
    findings += _check_ends(token_rows, limit)
    gone = {id(row) for row in untrained}
    cut = [r for r in token_rows if id(r) not in gone and r.trained_in(limit)]
    if cut:
        lost = sum(row.trained_in(limit) for row in cut)
        share = lost / max(1, sum(row.num_trained for row in token_rows))
        said = f"{len(cut)} of {len(token_rows)} answers are cut at {limit} tokens, at {_at(cut)}"
        findings.append(
            Finding(
                "data.cut-answers",
                "warn",
                f"{said}; {share:.1%} of the trained tokens and their end tokens are lost.",
                f"Raise data.max_length as far as the model allows "
                f"({max(row.num_tokens for row in cut)} cuts none), or shorten them.",
                "data.max_length",
            )
        )
    dropped = [row for row in token_rows if row.num_dropped]
    if dropped:
        said = f"{_rows(dropped)} text that the chat template leaves out, at {_at(dropped)}"
        findings.append(
            Finding(
                "data.dropped-text",
                "warn",
                f"{said}; the model neither reads nor learns it.",
                "See what is left with: tailfin data mask FILE --model MODEL --line LINE. Take "
                "another template (--set model.chat_template=FILE), or remove the text.",
                "model.chat_template",
                "Many templates drop thoughts of earlier turns, as serving does; a role that a "
                "template does not know may vanish as a whole.",
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


class ControlTokens:
    """Looks for the model's control tokens inside text, where they act as real ones.

    A stop token in an answer is the worst of them: the model learns to stop there.
    """

    def __init__(self, tokenizer: Any, template: Template) -> None:
        tokens = {str(t) for t in tokenizer.all_special_tokens}
        tokens |= {t.content for t in tokenizer.added_tokens_decoder.values() if t.special}
        wanted = sorted((t for t in tokens if len(t) > 1), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, wanted))) if wanted else None
        self._stops = set(map(str, tokenizer.convert_ids_to_tokens(list(template.stop_ids))))
        self._num_rows = self._num_stopped = 0
        self._found: list[tuple[int, int]] = []
        self._seen: dict[str, None] = {}

    def look(self, row: Row) -> None:
        self._num_rows += 1
        if self._pattern is None:
            return
        found = [(m.role, t) for m in row.messages for t in self._pattern.findall(m.content)]
        if found:
            self._found.append((row.record, row.line))
            self._seen.update(dict.fromkeys(token for _, token in found))
            self._num_stopped += any(r == "assistant" and t in self._stops for r, t in found)

    def findings(self) -> list[Finding]:
        """One, where any row has them: `fail` where many answers stop in the middle."""
        if not self._found:
            return []
        num = "1 row has" if len(self._found) == 1 else f"{len(self._found)} rows have"
        is_many = self._num_stopped > max(_FEW_STOPPED, _SHARE_STOPPED * self._num_rows)
        stopped = f"; {self._num_stopped} answers would stop there" if self._num_stopped else ""
        return [
            Finding(
                "data.control-tokens",
                "fail" if is_many else "warn",
                f"{num} control tokens of the model in the text "
                f"({', '.join(list(self._seen)[:3])}), at {places(self._found)}; "
                f"they act as real ones{stopped}.",
                "Remove them from the text.",
            )
        ]


def _check_ends(token_rows: Sequence[Counted], limit: int) -> list[Finding]:
    findings = []
    endless = [row for row in token_rows if not row.eos_trained]
    if not any(row.eos_trained and row.end < limit for row in token_rows):
        is_cut = len(endless) < len(token_rows)
        after = f" within {limit} tokens" if is_cut else ""
        findings.append(
            Finding(
                "data.eos-untrained",
                "fail",
                f"No row trains the token that ends an answer{after}; the model would never stop.",
                "Raise data.max_length, or shorten the rows."
                if is_cut
                else "Use a template that ends answers with a token, or: "
                "--set model.chat_template=plain",
                "data.max_length" if is_cut else "model.chat_template",
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


def _rows(rows: Sequence[Counted]) -> str:
    return "1 row has" if len(rows) == 1 else f"{len(rows)} rows have"


def _at(rows: Sequence[Counted]) -> str:
    return places((row.record, row.line) for row in rows)
