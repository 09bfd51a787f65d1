"""What was found in a data file, as lines to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.data.faults import KINDS
from engine.data.text import counted
from engine.errors import TailfinError
from engine.findings import Finding, Severity, any_fail, worst_first
from tui.draft import Draft
from tui.draw.line import BLANK, Line, labelled, line, wrapped

if TYPE_CHECKING:
    from engine.data.inspect import Inspection, SampleRow, Unreadable
    from engine.data.token_report import TokenReport
    from engine.spec import DataSpec

_CONTAINERS = {"json": "JSON", "jsonl": "JSON Lines", "csv": "CSV", "parquet": "Parquet"}
LAYOUTS = {
    "messages": "chat messages",
    "sharegpt": "ShareGPT conversations",
    "alpaca": "Alpaca instructions",
    "prompt_completion": "prompts and completions",
    "columns": "columns you named",
}
_WORDS: dict[Severity, str] = {"ok": "OK", "info": "INFO", "warn": "WARN", "fail": "FAIL"}
# cells of the columns of labels, of severities and of roles
_LABEL, _WORD, _ROLE = 12, 6, 11
# label and sentence
Fact = tuple[str, str]


def recognised(found: Inspection) -> str:
    """`chat messages in JSON Lines`."""
    return f"{LAYOUTS[found.layout]} in {_CONTAINERS[found.container]}"


def headline(found: Inspection, draft: Draft) -> Line:
    """The worst that was found, as a word, and what the file was recognised as."""
    held = draft.held_out.findings if draft.held_out else ()
    severities = {finding.severity for finding in (*found.findings, *held)}
    if draft.skip_bad_rows and (num_bad(found) or num_bad(draft.held_out)):
        severities.discard("fail")
    order: tuple[Severity, ...] = ("fail", "warn")
    worst: Severity = next((one for one in order if one in severities), "ok")
    return line((_WORDS[worst], worst), f"  {recognised(found)}")


def num_bad(found: Inspection | None) -> int:
    """Rows that cannot be used."""
    return found.num_left_out if found and any_fail(found.findings) else 0


def summary(found: Inspection, data: DataSpec, held_out: Inspection | None) -> list[Fact]:
    """Label and sentence of everything that is known of the file."""
    facts = [("rows", _rows(found)), ("turns", _turns(found))]
    if found.columns:
        pairs = ", ".join(f"{part} = {column}" for part, column in found.columns.items())
        facts.insert(0, ("columns", pairs))
    facts.append(("held out", _held_out(found, data, held_out)))
    return facts


def num_held_out(found: Inspection, data: DataSpec, held_out: Inspection | None) -> int:
    """Rows the loss is measured on and nothing is trained on; about, where they are split off."""
    if data.eval_path:
        return held_out.num_rows if held_out else 0
    if not data.eval_fraction or found.num_rows < 2:
        return 0
    rows = round(found.num_rows * data.eval_fraction)
    return max(1, min(rows, data.eval_max_rows) if data.eval_max_rows else rows)


def token_facts(tokens: TokenReport) -> list[Fact]:
    """Label and sentence of what the tokenizer said."""
    lengths = tokens.lengths
    share = f" ({lengths.cut_share:.1%})" if lengths.cut_rows else ""
    cuts = f"cuts {counted(lengths.cut_rows, 'row')}{share}" if lengths.cut_rows else "cuts no row"
    chosen = "from the data"
    if not tokens.is_suggested:
        chosen = f"yours; the data asks for {tokens.suggested}"
    part = tokens.num_trained / tokens.num_tokens if tokens.num_tokens else 0.0
    stops = ", ".join(tokens.stop_tokens) or "no token"
    return [
        (
            "tokens",
            f"{tokens.num_tokens:,}; half of the rows have up to {lengths.p50}, 99% up to "
            f"{lengths.p99}, the longest {lengths.longest}",
        ),
        ("max length", f"{lengths.max_length} ({chosen}), {cuts}"),
        ("trained on", f"{tokens.num_trained:,} tokens ({part:.0%}); answers end with {stops}"),
        ("template", tokens.template),
    ]


def fact_lines(facts: Sequence[Fact], width: int, *, label: int = _LABEL) -> list[Line]:
    """Labels in a column of `label` cells, sentences wrapped beside them."""
    drawn: list[Line] = []
    for name, sentence in facts:
        drawn += labelled(name, wrapped(sentence, max(width - label, 8)), label)
    return drawn


def finding_lines(findings: Sequence[Finding], width: int) -> list[Line]:
    """Each finding with its word, its message and its fix, wrapped."""
    drawn: list[Line] = []
    for finding in findings:
        told = wrapped(finding.message, max(width - _WORD, 8))
        if finding.fix:
            told += wrapped(finding.fix, max(width - _WORD, 8), "dim")
        drawn += labelled(_WORDS[finding.severity], told, _WORD, finding.severity)
    return drawn


def sample_lines(rows: Sequence[SampleRow], width: int) -> list[Line]:
    """Rows to read, turn by turn."""
    drawn: list[Line] = []
    for number, row in enumerate(rows, start=1):
        place = f"line {row.line}" if row.line else f"record {row.record}"
        title = f"Row to read, {number} of {len(rows)}"
        drawn.append(line((title, "title"), (f"  {place}", "dim")))
        for turn in row.turns:
            said = wrapped(turn.text or "(empty)", max(width - _ROLE, 8))
            drawn += labelled(turn.role, said, _ROLE, "info")
        if row.num_more_turns:
            more = f"and {counted(row.num_more_turns, 'turn')} more"
            drawn.append(line(" " * _ROLE, (more, "dim")))
        drawn.append(BLANK)
    return drawn[:-1]


def data_findings(findings: Sequence[Finding], width: int, *, left_out: bool) -> list[Line]:
    """Findings worst first; those of rows that are left out stand last, their fix is not needed."""
    ordered = worst_first(findings)
    out = [f for f in ordered if left_out and f.severity == "fail" and _is_of_rows(f)]
    rest = [_for_screens(f) for f in ordered if f not in out]
    drawn = finding_lines(rest, width)
    for finding in out:
        told = wrapped(finding.message, max(width - _WORD, 8), "dim")
        drawn += labelled("OUT", told, _WORD)
    return drawn


def trouble_lines(
    trouble: Unreadable | TailfinError, width: int, *, is_asked: bool = False
) -> list[Line]:
    """Why a file was not read, and what to do about it; less where the screen asks for that."""
    if isinstance(trouble, TailfinError):
        return _told(trouble, width)
    if trouble.proposal is not None:
        reason = f"Proposed above, because {trouble.proposal.reason}."
        return wrapped(f"The columns are not a layout that is known by name. {reason}", width)
    if is_asked or trouble.file_columns:
        return wrapped(trouble.error.message, width)
    return _told(trouble.error, width)


def _told(error: TailfinError, width: int) -> list[Line]:
    drawn = wrapped(error.message, width)
    return [*drawn, BLANK, *wrapped(error.hint, width, "value")] if error.hint else drawn


def _is_of_rows(finding: Finding) -> bool:
    return finding.id.removeprefix("data.") in KINDS


def _for_screens(finding: Finding) -> Finding:
    """What is a flag on the command line is a key here."""
    return replace(finding, fix=finding.fix.replace("--skip-bad-rows", "the key s"))


def _rows(found: Inspection) -> str:
    left = "none left out" if not found.num_left_out else f"{found.num_left_out:,} cannot be used"
    return f"{found.num_rows:,} usable of {found.num_records:,}, {left}"


def _turns(found: Inspection) -> str:
    said = f"{found.num_turns:,} in all"
    if found.num_multi_turn:
        said += f"; {counted(found.num_multi_turn, 'row')} with several answers"
    if found.num_system_prompts:
        said += f"; {counted(found.num_system_prompts, 'system prompt')}"
    return said


def _held_out(found: Inspection, data: DataSpec, held_out: Inspection | None) -> str:
    if data.eval_path:
        if held_out is None:
            return "the file above"
        return f"{counted(held_out.num_rows, 'row')} of the file above"
    if not data.eval_fraction:
        return "none: nothing will tell memorising from learning"
    rows = num_held_out(found, data, held_out)
    is_capped = data.eval_max_rows and found.num_rows * data.eval_fraction > data.eval_max_rows + 1
    share = "the most there may be" if is_capped else f"{data.eval_fraction:.0%}"
    return f"about {counted(rows, 'row')} split off ({share})"
