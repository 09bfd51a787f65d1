"""The question given back as the answer, whole or in front of it."""

from __future__ import annotations

import re

from engine.data.quality.check import Hit, RowCheck, View
from engine.data.text import fold, shown


def _echo(view: View) -> Hit | None:
    """The question, or the input, given back as the answer."""
    if len(view.answers) != 1 or not view.prompts:
        return None
    index, message = view.answers[0]
    answer = message.content.strip()
    if len(answer) < 12:
        return None
    prompt = view.prompts[-1][1].content
    if answer[:12] not in prompt and answer[:12].lower() not in prompt.lower():
        return None
    folded, asked = fold(answer), fold(prompt)
    if folded == asked:
        return Hit(index, 0, len(message.content), shown(answer))
    return None


def _copied(view: View) -> Hit | None:
    """The whole question in front of, or inside, an answer that goes on."""
    if len(view.answers) != 1 or not view.prompts:
        return None
    index, message = view.answers[0]
    prompt = view.prompts[-1][1].content.strip()
    if not 8 <= len(prompt) <= 2000 or len(message.content) <= len(prompt):
        return None
    start = message.content.find(prompt)
    # A short question counts only at the beginning, where nobody would quote it.
    if start < 0 or (len(prompt) < 30 and start > 12):
        return None
    if message.content.startswith(("{", "[", "```", "<")) or _wants_the_text(prompt):
        return None
    return Hit(index, start, start + len(prompt), shown(prompt))


def _wants_the_text(prompt: str) -> bool:
    return bool(
        re.search(
            r"\b(?:repeat|rewrite|copy|quote|complete|continue|finish|extend|edit|correct|proofread|"
            r"format|story|sentence|code|function|fill|punctuat|capitali[sz]e|insert|add)\b|```|续写|"
            r"补全|改写|重复|抄写|引用|纠正|润色|扩写|填空|接着",
            prompt,
            re.I,
        )
    )


CHECKS = (
    RowCheck(
        "data.echo",
        "warn",
        "repeated the question as the answer",
        "The model learns to give questions back.",
        "Write a real answer or remove these rows.",
        _echo,
    ),
    RowCheck(
        "data.copied-prompts",
        "info",
        "had the whole question inside the answer",
        "The model learns to repeat what it is asked before it answers.",
        "Cut the question out of these answers, unless that is wanted.",
        _copied,
    ),
)
