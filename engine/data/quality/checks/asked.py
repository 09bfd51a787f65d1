"""What the prompt asks for, so that an answer which honours it is left alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.data.quality.check import Hit, View
from engine.data.text import shown

_CODE = (
    "code", "python", "javascript", "java", "c++", "c#", "sql", "html", "css", "script", "bash",
    "function", "program", "regex", "regular expression", "query", "algorithm", "snippet", "json",
    "xml", "yaml", "latex", "markdown", "shell", "command", "php", "ruby", "golang", "rust",
    "kotlin", "swift", "typescript", "react", "compiler", "代码", "程序", "函数", "编程", "脚本",
    "算法", "正则", "código", "コード", "プログラム", "코드",
)  # fmt: skip
_MARKUP = (
    "html", "web", "tag", "xml", "markup", "svg", "css", "jsx", "vue", "react", "php", "script",
    "code", "markdown", "format", "convert", "clean", "remove", "strip", "extract", "parse",
    "scrap", "page", "email template", "table", "snippet", "escape", "entit", "网页", "标签",
    "代码", "前端", "格式", "标记", "转换", "提取", "表格", "页面",
)  # fmt: skip
_TRANSLATION = re.compile(
    r"translat|transcrib|romani[sz]|transliterat|pinyin|localiz|interpret|bilingual|"
    r"\b(?:english|chinese|mandarin|cantonese|japanese|korean|french|german|spanish|italian|"
    r"portuguese|russian|arabic|hindi|dutch|turkish|polish|greek|hebrew|latin|swedish|thai|"
    r"vietnamese|indonesian|ukrainian|czech|danish|norwegian|finnish|hungarian|romanian)\b|"
    r"language|vocabular|foreign|word for\b|"
    r"翻译|翻譯|译成|译为|译文|英文|英语|英語|中文|汉语|漢語|日语|日文|日語|韩语|韩文|法语|法文|"
    r"德语|德文|西班牙语|俄语|语言|拼音|单词|词汇|外语|双语|用英|用中|用日|"
    r"翻訳|訳し|通訳|번역|영어|중국어|한국어|일본어|"
    r"tradu|übersetz|inglés|español|anglais|français|englisch|deutsch|перевед|перевод|англий|русск"
)
_CODE_LINE = re.compile(
    r"^[ \t]*(?:def \w+\(|class \w+|import \w+|from [\w.]+ import |#include|public |private |"
    r"function \w*\(|const \w+|let \w+ ?=|var \w+|select .+ from |<\?php|package \w+|using \w+|"
    r"return\b.*;?$|print(?:f|ln)?\(|for ?\(|if ?\(|while ?\(|#!/|\$ \w+|npm |pip |sudo |git |"
    r"console\.|system\.out)|[;{}][ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_FENCE_OR_TICKS = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`", re.DOTALL)


def has_any(text: str, phrases: Iterable[str]) -> bool:
    return any(phrase in text for phrase in phrases)


def wants_code(view: View) -> bool:
    return has_any(view.asked, _CODE)


def wants_markup(view: View) -> bool:
    """Whether tags, entities or Markdown in the answer may be what was asked for."""
    return has_any(view.asked, _MARKUP)


def wants_translation(view: View) -> bool:
    """Whether the prompt names a language or asks to translate."""
    return _TRANSLATION.search(view.asked) is not None


def looks_like_code(text: str) -> bool:
    return "```" in text or "~~~" in text or _CODE_LINE.search(text) is not None


def in_code(text: str, start: int) -> bool:
    """Whether the offset lies inside a fence or between backticks."""
    if "`" not in text and "~~~" not in text:
        return False
    return any(m.start() <= start < m.end() for m in _FENCE_OR_TICKS.finditer(text))


def hit_at(turn: int, text: str, start: int, end: int) -> Hit:
    """A hit on a stretch of a turn, which is quoted up to a limit."""
    return Hit(turn, start, end, shown(text[start:end]))


def hit_match(turn: int, match: re.Match[str]) -> Hit:
    return Hit(turn, match.start(), match.end(), shown(match[0].strip()))
