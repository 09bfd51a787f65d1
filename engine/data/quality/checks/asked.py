"""What the prompt asks for, so that an answer which honours it is left alone."""

from __future__ import annotations

import re

from engine.data.quality.check import Hit, View
from engine.data.text import shown

_TRANSLATION = re.compile(
    r"translat|transcrib|romani[sz]|transliterat|pinyin|localiz|interpret|bilingual|"
    r"\b(?:in|into|to|from|speak|learn|say)\s+(?:\w+\s+)?(?:english|chinese|mandarin|cantonese|japanese|korean|french|german|spanish|italian|"
    r"portuguese|russian|arabic|hindi|dutch|turkish|polish|greek|hebrew|latin|swedish|thai|"
    r"vietnamese|indonesian|ukrainian|czech|danish|norwegian|finnish|hungarian|romanian)\b|"
    r"language|vocabular|foreign|word for\b|"
    r"翻译|翻譯|译成|译为|译文|英文|英语|英語|中文|汉语|漢語|日语|日文|日語|韩语|韩文|法语|法文|"
    r"德语|德文|西班牙语|俄语|语言|拼音|单词|词汇|外语|双语|用英|用中|用日|"
    r"翻訳|訳し|通訳|번역|영어|중국어|한국어|일본어|"
    r"tradu|übersetz|inglés|español|anglais|français|englisch|deutsch|перевед|перевод|англий|русск"
)


def wants_translation(view: View) -> bool:
    """Whether the prompt names a language or asks to translate."""
    return _TRANSLATION.search(view.asked) is not None


def hit_match(turn: int, match: re.Match[str]) -> Hit:
    return Hit(turn, match.start(), match.end(), shown(match[0].strip()))
