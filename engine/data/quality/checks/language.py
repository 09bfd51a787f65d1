"""Answers in another language than the question asks for."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from engine.data.quality.check import Hit, RowCheck, View

_SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("kana", re.compile("[\u3040-\u30ff]")),
    ("han", re.compile("[\u4e00-\u9fff]")),
    ("hangul", re.compile("[\uac00-\ud7af]")),
    ("cyrillic", re.compile("[\u0400-\u04ff]")),
    ("arabic", re.compile("[\u0600-\u06ff]")),
    ("hebrew", re.compile("[\u0590-\u05ff]")),
    ("greek", re.compile("[\u0370-\u03ff]")),
    ("devanagari", re.compile("[\u0900-\u097f]")),
    ("thai", re.compile("[\u0e00-\u0e7f]")),
    ("latin", re.compile("[A-Za-z\u00c0-\u024f]")),
)
SCRIPT_NAMES = tuple(name for name, _ in _SCRIPTS)
# One sign of these scripts says as much as a Latin word.
_WEIGHT = {"latin": 0.25}
_WANTS_OTHER = re.compile(
    r"translat|\blanguage|\bword for\b|\bphrase|\bin (?:english|spanish|french|german|chinese|mandarin|"
    r"japanese|korean|italian|portuguese|russian|arabic|hindi|latin|dutch|turkish|polish|greek|swedish|"
    r"thai|vietnamese|hebrew)|\b(?:english|spanish|french|german|chinese|japanese|korean|italian|"
    r"portuguese|russian|arabic|hindi|latin)\b|\bcode|\bpython|\bsql\b|\bjava|\bfunction|\bhtml|\bjson|"
    r"\bmath|\bequation|\bpronounc|\bspell|\bkanji|\bpinyin|\bhaiku|翻译|译成|译为|英语|英文|日语|日文|"
    r"法语|德语|中文|汉语|语言|代码|函数|编程|程序|公式|方程|单词|拼音|音标|缩写|诗句|俳句|traduc|traduz|"
    r"übersetz|перевед|번역|翻訳|英訳|和訳",
    re.I,
)
_CODE = re.compile(r"```|[{};]\s*$|^\s*(?:def|class|import|SELECT|#include|<\w+)\b", re.M)
_SHORTEST = 40


def _other_script(view: View) -> Hit | None:
    """Question and answer in different scripts, such as a Chinese question and an English answer."""
    if view.is_ascii or len(view.answers) != 1 or not view.prompts:
        return None
    index, message = view.answers[0]
    answer, prompt = message.content, view.prompt
    if len(answer) < 8 or _CODE.search(answer) or _CODE.search(prompt):
        return None
    asked, said = script_of(prompt), script_of(answer)
    if not asked or not said or asked == said or {asked, said} == {"han", "kana"}:
        return None
    if said == "latin" and len(answer) < _SHORTEST:
        return None  # names, units and formulas are written in Latin letters everywhere
    if _WANTS_OTHER.search(prompt) or (
        view.row.messages[0].role == "system" and _WANTS_OTHER.search(view.row.messages[0].content)
    ):
        return None
    return Hit(index, 0, len(answer), f"{asked} asked, {said} answered")


def _other_language(view: View) -> Hit | None:
    """The same script and another language, by a model of languages; only for long texts."""
    if len(view.answers) != 1 or not view.prompts:
        return None
    index, message = view.answers[0]
    answer, prompt = message.content, view.prompt
    if len(answer) < 60 or len(prompt) < 30:
        return None
    is_english = _english(answer)
    if is_english == _english(prompt) and (is_english or view.is_ascii):
        return None
    if _WANTS_OTHER.search(prompt) or _CODE.search(answer) or _CODE.search(prompt):
        return None
    if script_of(answer) != "latin" or script_of(prompt) != "latin":
        return None
    asked, said = _language(prompt[:600]), _language(answer[:600])
    if asked[0] == said[0] or min(asked[1], said[1]) < 0.99:
        return None
    return Hit(index, 0, len(answer), f"{asked[0]} asked, {said[0]} answered")


def _mixed(view: View) -> Hit | None:
    """Signs of a second script strewn into an answer whose question has none of them."""
    if view.is_ascii or len(view.answers) != 1:
        return None
    index, message = view.answers[0]
    answer = message.content
    if len(answer) < 30 or _WANTS_OTHER.search(view.prompt) or _CODE.search(answer):
        return None
    main = script_of(answer)
    for name, pattern in _SCRIPTS[:-1]:
        if name == main or {name, main} <= {"han", "kana"} or name == "greek":
            continue
        found = pattern.search(answer)
        if found is None or pattern.search(view.prompt) or len(pattern.findall(answer)) > 40:
            continue
        if re.search(r"[(\[（「“\"'《]\s*$", answer[max(0, found.start() - 3) : found.start()]):
            continue  # a word named in its own script
        return Hit(index, *found.span(), f"{name} in {main}")
    return None


def script_of(text: str) -> str:
    """The script that most of a text is in; empty where it has no letters."""
    if text.isascii():
        return "latin" if any(map(str.isalpha, text[:400])) else ""
    sample = text[:300]
    counts = {
        name: len(pattern.findall(sample)) * _WEIGHT.get(name, 1.0) for name, pattern in _SCRIPTS
    }
    if counts["kana"] and counts["kana"] * 6 > counts["han"]:
        counts["kana"] += counts.pop("han")
    best = max(counts, key=lambda name: counts[name])
    total = sum(counts.values())
    return best if counts[best] > 0.6 * total else ""


_ENGLISH = frozenset(
    [
        "the",
        "of",
        "and",
        "to",
        "is",
        "in",
        "that",
        "for",
        "with",
        "are",
        "you",
        "this",
        "it",
        "as",
        "a",
        "on",
        "be",
    ]
)


def _english(text: str) -> bool:
    """Plainly English: at least one in eight words is among the commonest."""
    words = text[:600].lower().split()
    return sum(word in _ENGLISH for word in words) * 8 >= len(words)


def _language(text: str) -> tuple[str, float]:
    found = _identifier().classify(text)
    return str(found[0]), float(found[1])


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


CHECKS = (
    RowCheck(
        "data.language-mismatch",
        "warn",
        "had an answer in another script than the question",
        "The model learns to answer people in a language they did not use.",
        "Remove these rows, unless that is wanted.",
        _other_script,
    ),
    RowCheck(
        "data.other-language",
        "warn",
        "had an answer in another language than the question",
        "The model learns to answer people in a language they did not use.",
        "Remove these rows, unless that is wanted.",
        _other_language,
    ),
    RowCheck(
        "data.mixed-scripts",
        "info",
        "had signs of another script strewn into the answer",
        "Some models slip into another language; yours would learn it.",
        "Read these rows; replace the signs or remove the rows.",
        _mixed,
    ),
)
