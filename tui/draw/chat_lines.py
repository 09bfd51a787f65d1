"""A conversation as lines, and what the session is doing in words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from engine.data.text import counted
from tui.conversation import Conversation, Exchange, Reply
from tui.draw.bars import share_bar
from tui.draw.compare_lines import BESIDE, pair_lines
from tui.draw.line import BLANK, Line, clip, labelled, line, width_of, wrapped
from tui.widgets.rows import Row

_LABEL = 7
_STAGES = {
    "": "starting",
    "import": "loading the libraries",
    "download": "downloading",
    "load": "loading",
}


def conversation_lines(conversation: Conversation, width: int) -> list[Line]:
    """Everything that was said, in `width` cells."""
    lines: list[Line] = []
    for exchange in conversation.exchanges:
        lines += [*_exchange_lines(exchange, width), BLANK]
    return lines[:-1]


def loading_line(stage: str, detail: str, share: float, width: int, *, ascii_only: bool) -> Line:
    """How far the start of the session is."""
    words = line((_STAGES.get(stage, stage), "accent"), f" {clip(detail, width // 2)}".rstrip())
    room = min(width - width_of(words) - 8, 24)
    if share <= 0 or room < 6:
        return (*words, (" ...", "dim"))
    bar = share_bar(share, room, ascii_only)
    return (*words, ("  ", ""), (bar, "info"), (f" {min(share, 1.0):4.0%}", ""))


def answer_line(last: Exchange | None, device: str, waited: str) -> Line:
    """What is being answered, or how the last answer ended; `waited` is how long it takes."""
    if last is None:
        return line((f"Ready on {device}.", "ok"))
    if last.current is not None:
        which = last.replies[last.current].which
        busy = (f"{which} is answering", "accent")
        return line(busy, (waited, "dim"), "  ", ("Esc", "key"), " ends it")
    reply = last.replies[-1]
    if reply.state == "cut":
        says = f"The answer was {_note(reply)}: /limit {reply.limit * 2} allows more."
        return line((says, "warn"))
    if reply.state == "whole":
        return line((f"{reply.which}: {_spent(reply)}", "dim"))
    return line((f"Ready on {device}.", "dim"))


def sample_rows(questions: Sequence[str], width: int) -> list[Row]:
    """Questions that can be asked with Enter, keyed by their number."""
    if not questions:
        return []
    head = line(("Type a question, or Enter asks the marked one:", "dim"))
    asked = [line(clip(" ".join(text.split()), width)) for text in questions]
    return [Row("", head, True), *(Row(str(number), drawn) for number, drawn in enumerate(asked))]


def _note(reply: Reply) -> str:
    """How an answer ended, where that is worth a word."""
    match reply.state:
        case "cut":
            return f"cut off at {counted(reply.limit, 'token')}"
        case "cancelled":
            return "cancelled"
        case "lost":
            return "lost: the session ended"
    return ""


def _spent(reply: Reply) -> str:
    """Tokens, seconds and rate of a finished answer."""
    rate = reply.num_tokens / reply.elapsed_s if reply.elapsed_s > 0 else 0.0
    speed = f", {rate:,.0f} per second" if rate >= 1 else ""
    return f"{counted(reply.num_tokens, 'token')} in {reply.elapsed_s:.1f} s{speed}"


@lru_cache(maxsize=64)
def _exchange_lines(exchange: Exchange, width: int) -> tuple[Line, ...]:
    room = max(width - _LABEL, 10)
    lines = labelled("you", wrapped(exchange.question, room, "strong"), _LABEL, "key")
    if len(exchange.replies) == 2 and width >= BESIDE:
        first, second = ((_titled(reply), _text(reply), _role(reply)) for reply in exchange.replies)
        return (*lines, *pair_lines(first, second, width))
    for reply in exchange.replies:
        said = wrapped(_text(reply), room, _role(reply))
        lines += labelled(reply.which, said, _LABEL, "title")
        if note := _note(reply):
            lines.append(line(" " * _LABEL, (f"({note})", "warn")))
    return tuple(lines)


def _titled(reply: Reply) -> Line:
    note = _note(reply)
    return line((reply.which, "title"), (f"  ({note})" if note else "", "warn"))


def _text(reply: Reply) -> str:
    if reply.state == "refused":
        return f"{reply.text} {reply.hint}".strip()
    if reply.text.strip():
        return reply.text.strip("\n")
    return "(nothing)" if reply.is_over else "..."


def _role(reply: Reply) -> str:
    return "warn" if reply.state == "refused" else "" if reply.text.strip() else "dim"
