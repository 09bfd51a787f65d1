"""Base against tuned as lines: the measures, and one question with both answers."""

from __future__ import annotations

import math
from itertools import zip_longest

from engine.evaluate.bootstrap import MIN_ROWS
from engine.evaluate.report import AnswerPair, EvalReport, Measure, Speech
from tui.draw.bars import ASCII_FREE, FREE, share_bar
from tui.draw.line import BLANK, Line, fit, line, wrapped
from tui.draw.words import loss

# From this width on two texts stand beside each other.
BESIDE = 100
_BAR_WIDTH = 30
Block = tuple[Line, str, str]  # title, text, role of the text


def measure_lines(
    report: EvalReport, width: int, *, ascii_only: bool, is_short: bool
) -> list[Line]:
    """Losses of both models with bars to one scale, and what the difference means."""
    lines: list[Line] = [] if is_short else [BLANK]
    base, tuned = report.base, report.tuned
    if base is not None and tuned is not None:
        if not is_short:
            lines.append(line((f"{'':<7}{'loss':>9}{'perplexity':>12}{'accuracy':>10}", "dim")))
        top = max((m.loss for m in (base, tuned) if math.isfinite(m.loss)), default=0.0)
        for name, measured, role in (("base", base, "curve-1"), ("tuned", tuned, "curve-2")):
            bar_width = min(width - 42, _BAR_WIDTH)
            share = measured.loss / top if top > 0 else 0.0
            bar = share_bar(share, bar_width, ascii_only) if bar_width > 4 else ""
            used = bar.rstrip(FREE + ASCII_FREE)
            words = _loss_only(name, measured) if is_short else _measured(name, measured)
            lines.append((*words, ("   ", ""), (used, role)))
    lines += wrapped(f"{_verdict(report)}.", width, _role(report))
    if report.base_form != "as published" and not is_short:
        lines += wrapped(f"The base was held in {report.base_form}, as in training.", width, "dim")
    return lines


def question_lines(pair: AnswerPair, width: int, most: int) -> list[Line]:
    """What was asked, in at most `most` lines, and that there was more before it."""
    asked = next((m["content"] for m in reversed(pair.messages) if m["role"] == "user"), "")
    lines = wrapped(asked.strip(), width, "strong")
    if len(lines) > most:
        lines = [*lines[: most - 1], line(("...", "dim"))]
    before = sum(m["role"] != "system" for m in pair.messages) - 1
    notes = ["with a system prompt"] if any(m["role"] == "system" for m in pair.messages) else []
    notes += [f"after {before} earlier turns"] if before > 0 else []
    return [*lines, line((", ".join(notes), "dim"))] if notes else lines


def answer_lines(pair: AnswerPair, limit: int, width: int) -> list[Line]:
    """Both answers, beside each other where there is room, and the known one under them."""
    lines = pair_lines(
        (_title("base", pair.base, limit), pair.base.text, ""),
        (_title("tuned", pair.tuned, limit), pair.tuned.text, ""),
        width,
    )
    if pair.reference:
        lines += [BLANK, line(("reference", "dim")), *wrapped(pair.reference.strip(), width, "dim")]
    return lines


def pair_lines(left: Block, right: Block, width: int) -> list[Line]:
    """Two titled texts: two columns from `BESIDE` cells on, else one under the other."""
    if width < BESIDE:
        return [*_block(left, width), BLANK, *_block(right, width)]
    half = (width - 3) // 2
    columns = zip_longest(_block(left, half), _block(right, half), fillvalue=BLANK)
    return [(*fit(first, half), (" | ", "dim"), *second) for first, second in columns]


def _block(block: Block, width: int) -> list[Line]:
    title, text, role = block
    said = text.strip("\n")
    return [title, *(wrapped(said, width, role) if said.strip() else [line(("(nothing)", "dim"))])]


def _title(name: str, speech: Speech, limit: int) -> Line:
    cut = f"  cut off at {limit} tokens" if speech.hit_limit else ""
    return line((name, "title"), (cut, "warn"))


def _measured(name: str, measured: Measure) -> Line:
    perplexity = f"{measured.perplexity:,.2f}" if measured.perplexity < 1e6 else "huge"
    return line(
        f"{name:<7}",
        (f"{loss(measured.loss):>9}", "value"),
        f"{perplexity:>12}{measured.accuracy:>10.1%}",
    )


def _loss_only(name: str, measured: Measure) -> Line:
    return line(f"{name:<7}loss ", (f"{loss(measured.loss):>9}", "value"))


def _verdict(report: EvalReport) -> str:
    from tui.draw.result_lines import verdict_text

    return verdict_text(report).rstrip(".")


def _role(report: EvalReport) -> str:
    gap = report.difference
    if gap is None:
        return ""
    return "ok" if gap.high < 0 and report.num_rows >= MIN_ROWS else "warn"
