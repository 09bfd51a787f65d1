"""Answers that are none: markers, refusals, boilerplate, and the question given back."""

from __future__ import annotations

import re

from engine.data.quality.check import Hit, RowCheck, View, holds_any
from engine.data.text import fold, shown

# Whole answers that stand for "nothing here" in public sets, folded.
_MARKERS = frozenset(
    {"na", "none", "null", "nan", "nil", "nooutput", "noanswer", "nodata", "undefined", "removed"}
    | {"deleted", "empty", "tbd", "todo", "blank", "notapplicable", "notavailable", "noinput"}
    | {"无", "暂无", "空", "未知", "没有答案", "无答案", "不适用", "无输出", "待补充"}
)
# Questions to which "none" or "null" can be the answer.
_ASKS_FOR_A_VALUE = re.compile(
    r"\b(?:how many|which|what|classif|categor|label|extract|entit|return|output|value|null|none|"
    r"is there|are there|list|any|select|identify|detect|name)\w*|多少|哪|什么|分类|提取|识别|是否|有没有",
    re.I,
)
_AI = (
    r"(?:an?\s+)?(?:ai|a\.i\.|artificial intelligence|(?:large\s+)?language model|llm|chatbot|"
    r"virtual assistant|digital assistant|machine learning model|text-based ai)"
)
_SPEAKS_AS_AI = re.compile(
    rf"\b(?:as|being|since i am|because i am|i am|i'm|i’m|i am just|i'm just|i’m just|i am only|"
    rf"i'm only)\s+(?:just\s+|only\s+)?(?:{_AI})\b"
    r"|作为(?:一个|一款|一名)?(?:人工智能|AI|ＡＩ|大?型?语言模型|聊天机器人|智能助手|虚拟助手|机器人助手)"
    r"|我(?:只是|仅仅是|是)(?:一个|一款)?(?:人工智能|AI|大?型?语言模型|聊天机器人|虚拟助手)",
    re.I,
)
_LIMITS = re.compile(
    r"knowledge cut-?off|my (?:last )?(?:training|knowledge) (?:data|update|cut)|"
    r"last knowledge update|i (?:do not|don't|don’t) have (?:personal|real-time|access to (?:real|"
    r"current|the internet))|我的知识(?:截止|更新)|我的训练数据|我(?:无法|不能)(?:访问互联网|浏览网页|上网)",
    re.I,
)
_REFUSES = re.compile(
    r"^\W*(?:(?:i(?:'|’)?m|i am|we are|we're)\s+(?:really\s+|very\s+|so\s+|truly\s+)?(?:sorry|afraid)"
    r"|sorry|my apologies|i apologi[sz]e|unfortunately|regrettably)?[\s,.:;!-]*(?:but|that)?[\s,]*"
    r"(?:i|we)\s*(?:really\s+|simply\s+|just\s+)?(?:can(?:'|’)?t|can\s?not|could\s?n(?:'|’)t|am unable|"
    r"am not able|(?:'|’)m unable|(?:'|’)m not able|won(?:'|’)t|will not|must decline|have to decline|"
    r"(?:am|(?:'|’)m) not (?:comfortable|allowed|permitted|programmed|designed)|do(?: not|n(?:'|’)t) feel "
    r"comfortable|(?:would|(?:'|’)d) (?:prefer|rather) not)\s*(?:be able\s*)?(?:to\s+)?"
    r"(?:help|assist|fulfil+|comply|provide|answer|do that|do this|complete|create|generate|write|"
    r"support|engage|continue|discuss|offer|share|give|process|respond|accommodate|carry out|"
    r"participate|produce|in good conscience|with (?:that|this))",
    re.I,
)
_REFUSES_ZH = re.compile(
    r"^(?:非常|很|十分)?(?:抱歉|对不起|不好意思|遗憾)[，,。.！!：: ]*(?:但|但是|不过)?[，, ]*"
    r"(?:我|本助手|作为|您的|这个|该|此)?[^。！？\n]{0,16}?(?:无法|不能|没办法|没有办法|不便|拒绝|不可以|不予)"
    r"|^我(?:无法|不能|没办法|不便|拒绝)(?:回答|提供|协助|帮助|满足|完成|生成|参与|处理|继续|为您|为你|给出|执行)"
)
_INVITES = re.compile(
    r"\bapolog|\bsorry\b|\bdeclin|\brefus|\breject|turn(?:ing)? down|\bregret|\btranslat|\bcannot\b|"
    r"\bcan't\b|\bunable\b|\bclassif|\bapolog|role-?play|\bpretend|\bstory\b|\bscript\b|\bdialog|"
    r"\breply to\b|\bemail\b|\bletter\b|\bpoem\b|\brewrite\b|\brephrase\b|道歉|抱歉|拒绝|婉拒|翻译|"
    r"改写|对话|故事|扮演|邮件|写信|回信|剧本|诗",
    re.I,
)
_ABOUT_AI = re.compile(
    r"\b(?:ai|a\.i\.|artificial intelligence|language model|llm|chatbot|robot|assistant|you)\b|"
    r"人工智能|语言模型|机器人|助手|你|您|AI",
    re.I,
)
# One of these is in every text that the two patterns above find; looking for them is cheap.
_BOILERPLATE_SIGNS = (
    *("as a", "being a", "i am ", "i'm ", "i’m ", "cutoff", "cut-off", "knowledge", "training"),
    *(
        "i do not have",
        "i don't have",
        "i don’t have",
        "作为",
        "我是",
        "我只是",
        "我仅",
        "我的知识",
    ),
    *("我的训练", "互联网", "网页", "上网"),
)
# A refusal is one where it makes up the answer; a long one only opens with an apology.
_LONGEST_REFUSAL = 700


def _marker(view: View) -> Hit | None:
    for index, message in view.answers:
        text = message.content
        if len(text) < 24 and not message.tool_calls:
            folded = fold(text.strip("<>[](){} \n"))
            if folded not in _MARKERS:
                continue
            is_plain = folded in ("none", "null", "无", "空", "未知")
            if is_plain and _ASKS_FOR_A_VALUE.search(view.prompt):
                continue
            return Hit(index, 0, len(text), shown(text))
    return None


def _marker_input(view: View) -> Hit | None:
    for index, message in view.prompts:
        tail = message.content[-40:].lower()
        if "noinput" not in tail and "no input" not in tail:
            continue
        found = re.search(r"<\s*no ?input\s*>|^\s*no ?input\s*$", message.content, re.I | re.M)
        if found:
            return Hit(index, *found.span(), shown(found.group()))
    return None


def _refusal(view: View) -> Hit | None:
    for index, message in view.answers:
        text = message.content
        head = text[:160].lstrip()
        found = _REFUSES.search(head) if head.isascii() or head[:1].isascii() else None
        found = found or (None if head.isascii() else _REFUSES_ZH.search(head))
        if found is None or len(text) > _LONGEST_REFUSAL:
            continue
        if _INVITES.search(view.prompt[:2000]):
            continue
        return Hit(index, 0, min(len(text), 160), shown(text))
    return None


def _boilerplate(view: View) -> Hit | None:
    for index, message in view.answers:
        text = message.content
        if not holds_any(view.lowered[index], _BOILERPLATE_SIGNS):
            continue
        found = _SPEAKS_AS_AI.search(text) or _LIMITS.search(text)
        if found is None:
            continue
        if _ABOUT_AI.search(view.prompt) and _asks_about_ai(view.prompt):
            continue
        return Hit(index, *found.span(), shown(found.group()))
    return None


def _asks_about_ai(prompt: str) -> bool:
    """Whether the question is about the assistant or about AI, so that it may speak of itself."""
    return bool(
        re.search(
            r"\b(?:who|what) are you\b|\bare you\b|\bdo you\b|\bcan you (?:feel|think|see|learn)|"
            r"\babout yourself\b|\byour (?:name|feelings?|opinion|training|creator)|"
            r"\b(?:ai|a\.i\.|artificial intelligence|language models?|llms?|chatbots?|robots?)\b|"
            r"你是(?:谁|什么|人)|您是(?:谁|什么)|介绍(?:一下)?你自己|你(?:叫|会|能|有|觉得|喜欢)|人工智能|语言模型|机器人|AI",
            prompt,
            re.I,
        )
    )


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
    if not 30 <= len(prompt) <= 2000 or len(message.content) <= len(prompt):
        return None
    if prompt[:20] not in message.content or prompt not in message.content:
        return None
    if message.content.startswith(("{", "[", "```", "<", '"', "“", "「")) or _wants_the_text(
        prompt
    ):
        return None
    start = message.content.index(prompt)
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
        "data.marker-answers",
        "warn",
        "answered with a bare marker such as N/A, None or null",
        "The model learns to answer nothing.",
        "Write a real answer or remove these rows.",
        _marker,
    ),
    RowCheck(
        "data.marker-inputs",
        "warn",
        "had a marker for a missing input in the question",
        "The model learns a word that nobody will type.",
        "Remove the marker; an empty input is simply left out.",
        _marker_input,
    ),
    RowCheck(
        "data.refusals",
        "warn",
        "refused to answer",
        "A few hundred refusals teach a model to refuse harmless questions too.",
        "Remove these rows unless refusing is what it should learn.",
        _refusal,
    ),
    RowCheck(
        "data.boilerplate",
        "warn",
        "had an answer that speaks as an AI or of its training",
        "Phrases of the model that wrote the answers become phrases of yours.",
        "Remove these rows or cut the phrase.",
        _boilerplate,
    ),
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
