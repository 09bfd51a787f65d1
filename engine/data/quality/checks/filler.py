"""Pleasantries of an assistant around an answer."""

from __future__ import annotations

import re

from engine.data.quality.check import Hit, RowCheck, View
from engine.data.text import shown

_OPENING = re.compile(
    r"\A\W*(?:certainly|sure(?: thing)?|of course(?=[!.]|, (?:here|i|let|happy))|absolutely|gladly|great question|good question|"
    r"what a great question|excellent question|i(?:'d| would) be (?:happy|glad|delighted) to|i(?:'m| am) "
    r"(?:happy|glad) to help|thank you for (?:your|the) question|thanks for asking)\b[^\n]{0,60}?[!.,:]"
    r"|\A\W*(?:好的[，,！!。]?(?:我会|以下|下面|这[里是])|当然(?:可以|没问题)?[，,！!。]|没问题[，,！!。]|很(?:高兴|乐意)"
    r"|非常感谢您的(?:提问|问题)|这是一个(?:很|非常)?好的?问题|以下是(?:我的|为您|给您|您)[^\n]{0,12}[：:])",
    re.I,
)
_CLOSING = re.compile(
    r"\bi hope (?:this|that|it|the)(?: \w+){0,2} (?:was useful|is useful|was of|helps|answers|is helpful|was helpful)\b|\b(?:please )?(?:feel free|don't "
    r"hesitate|do not hesitate) to (?:ask|reach|contact|let)\b|\blet me know if (?:you|there|i)\b|\bif you have "
    r"any (?:other|further|more|additional)?\s*questions\b|\bis there anything else i can\b|\bhappy to help with\b"
    r"|\bhave a (?:great|nice|wonderful|good) day\b|祝(?:您|你)(?:生活|工作|学习|一切|好运)|欢迎(?:继续|随时)|如需(?:更多|进一步|其他)"
    r"|感谢(?:您|你)的(?:提问|咨询)|(?:很|非常)高兴(?:为|能)(?:您|你)|希望(?:这|以上|我的|上面)?[^。\n]{0,12}(?:有所?帮助|帮到|有用)|如果?(?:您|你)?(?:还|仍)?有(?:其他|任何|更多|别的|什么)"
    r"[^。\n]{0,6}(?:问题|疑问)|随时(?:告诉|联系|提问|问我|咨询)|还有(?:什么|其他)[^。\n]{0,6}可以帮",
    re.I,
)
_WANTED = re.compile(
    r"\be-?mail|\bletter|\breply|\bmessage|\bcustomer|\bdialog|\bconversation|\brespon[ds]|\bscript|\bclosing|"
    r"\binvitation|\bassistant|邮件|信|回复|客服|对话|留言|通知|结尾",
    re.I,
)


def _filler(view: View) -> Hit | None:
    for index, message in view.answers:
        text = message.content
        found = _OPENING.match(text[:120])
        if found is None:
            found = _CLOSING.search(text[:200]) or _CLOSING.search(text[-200:])
        if found is not None and not _WANTED.search(view.prompt):
            start = text.find(found.group())
            return Hit(index, start, start + len(found.group()), shown(found.group().strip()))
    return None


CHECKS = (
    RowCheck(
        "data.filler",
        "info",
        "had pleasantries of an assistant around the answer",
        "The model learns to begin or end every answer with them.",
        "Cut them, unless that tone is wanted.",
        _filler,
    ),
)
