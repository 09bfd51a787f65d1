"""Answers and inputs that stand for nothing: N/A, null, <nooutput>, bare dots."""

from __future__ import annotations

import re
import unicodedata

from engine.data.quality.check import Hit, RowCheck, View, holds_any
from engine.data.text import shown

_LONGEST = 40
_SURE = frozenset({
    "nooutput", "no output", "noanswer", "no answer", "no response", "noresponse", "noinput",
    "no input", "n/a", "#n/a", "n.a", "na", "nan", "null", "undefined", "none", "nil", "tbd",
    "to be determined", "to be added", "to be filled", "todo", "empty", "blank", "missing",
    "not available", "not applicable", "output", "answer", "response", "error", "无", "暂无",
    "没有", "空", "无输出", "无输入", "无回答", "无答案", "没有答案", "暂无答案", "暂无回答",
    "暂无数据", "暂无内容", "无内容", "待补充", "待填写", "待定", "待完善", "未知", "不适用", "略",
    "なし", "未回答", "該当なし", "없음", "해당 없음", "sin respuesta", "keine antwort", "aucune",
    "keine angabe", "no aplica", "нет ответа", "нет данных", "no data", "unknown", "no input provided", "no output provided", "none provided",
})  # fmt: skip
# Words that are true answers to many questions: they count only where the prompt neither offers
# them nor puts a question that one word can answer.
_WORDS = frozenset({
    "none", "null", "nil", "nan", "undefined", "na", "n/a", "n.a", "empty", "blank", "missing",
    "error", "unknown", "not applicable", "not available", "output", "answer", "response", "无",
    "没有", "空", "未知", "不适用", "なし", "없음", "略", "todo", "aucune",
})  # fmt: skip
_PLAIN_MARKERS = frozenset({"n/a", "n.a", "na", "nan", "null", "none", "无", "undefined"})
_SHORT_QUESTION = re.compile(
    r"\b(?:which|is there|are there|if any|any|how many|does|identify|extract|classif\w*|find|list|name|"
    r"what type|values?|print|returns?|evaluat\w*|label|category|entity|entities|who|detect|fill|word|"
    r"one of|status)\b|哪(?!里说)|是否|有没有|有无|提取|分类|识别|判断|几|多少|找出|抽取|谁|填空|选择"
)
_DOTS = frozenset({"...", "…", "……", "-", "--", "---", "—", "——", "_", "__", "___", "***", "。",
                   "。。。", ".", "?", "？", "???", "？？？", "!", "//", "/", "\\", "[]", "{}", "()",
                   '""', "''", "``", "``````"})  # fmt: skip
_SIGN_ASKED = (
    "punctuat", "symbol", "dash", "hyphen", "ellips", "character", "sign", "operator", "token",
    "mark", "separator", "morse", "list", "array", "set", "empty", "json", "output", "return",
    "print", "code", "bracket", "slash", "符号", "标点", "省略号", "破折", "运算符", "列表", "输出",
)  # fmt: skip
_INPUT_MARKS = frozenset({
    "noinput", "no input", "n/a", "#n/a", "no input required", "no input needed", "not applicable",
    "no input provided", "none", "null", "nan", "无输入", "无需输入", "没有输入", "无", "暂无",
})  # fmt: skip


def find_marker_answer(view: View) -> Hit | None:
    for turn, message in view.answers:
        content = message.content
        if len(content) > _LONGEST or message.tool_calls:
            continue
        bare = _bare(content)
        if bare in _SURE and not _is_an_answer(bare, content, view.asked):
            return Hit(turn, 0, len(content), shown(content.strip()))
        signs = content.strip()
        if signs in _DOTS and not (signs in view.prompt or holds_any(view.asked, _SIGN_ASKED)):
            return Hit(turn, 0, len(content), shown(signs))
    return None


def find_marker_input(view: View) -> Hit | None:
    for turn, message in view.prompts:
        last = message.content[-30:].rstrip().rpartition("\n")[2]
        if _bare(last.removeprefix("Input:").removeprefix("输入：")) not in _INPUT_MARKS:
            continue
        start = message.content.rstrip().rfind(last)
        if start > 0 and "\n" not in message.content[:start]:
            continue  # the end of a one-line prompt, not a field of its own
        return Hit(turn, start, start + len(last), shown(last))
    return None


def find_invisible_answer(view: View) -> Hit | None:
    for turn, message in view.answers:
        content = message.content
        if message.tool_calls or (content[:1].isascii() and content[:1].isprintable() and content):
            continue
        if all(c.isspace() or unicodedata.category(c) in ("Cf", "Cc", "Zs") for c in content):
            return Hit(turn, 0, len(content), shown(content))
    return None


def _bare(text: str) -> str:
    return text.strip().strip("<>[](){}\"'`*.。!！_ \t").strip().lower()


def _is_an_answer(bare: str, content: str, asked: str) -> bool:
    if content.strip()[:1] in "<[" and bare not in ("null",):
        return False  # a marker in brackets is no word of an answer
    if bare not in _WORDS:
        return False
    if bare in _PLAIN_MARKERS and bare.isascii():
        mentioned = f"{bare}" in asked if len(bare) > 2 else f"'{bare}'" in asked
        return mentioned or _SHORT_QUESTION.search(asked) is not None
    return True if bare in asked else _SHORT_QUESTION.search(asked) is not None


CHECKS = (
    RowCheck(
        "data.marker-answers",
        "warn",
        "had an answer that only marks that there is none, such as N/A",
        "The model learns to give this mark as an answer.",
        "Drop these rows, or write the answers.",
        find_marker_answer,
    ),
    RowCheck(
        "data.marker-inputs",
        "warn",
        "had an input that only marks that there is none, such as <noinput>",
        "The mark becomes part of the question; users will never type it.",
        "Leave the input empty in these rows.",
        find_marker_input,
        ("strip-template", "drop"),
    ),
    RowCheck(
        "data.invisible-answers",
        "fail",
        "had an answer without one visible character",
        "The model learns to stop at once.",
        "Drop these rows, or write the answers.",
        find_invisible_answer,
    ),
)
