"""Markup that pages and exports leave in text."""

from __future__ import annotations

import re

from engine.data.quality.check import Hit, RowCheck, View
from engine.data.text import shown

TAG = re.compile(
    r"</?(?:p|br|div|span|a|b|i|u|em|strong|ul|ol|li|table|tr|td|th|tbody|thead|h[1-6]|img|font|center|"
    r"script|style|body|html|head|blockquote|hr|sup|sub|iframe|nbsp|section|article|figure|small)"
    r"(?:\s+[\w-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s<>]+))*\s*/?>",
    re.I,
)
_PAGE = re.compile(r"\s*<(?:!doctype|html|svg|\?xml)\b", re.I)
ENTITY = re.compile(
    r"&(?:nbsp|amp|lt|gt|quot|apos|mdash|ndash|rsquo|lsquo|ldquo|rdquo|hellip|#\d{2,5}|#x[0-9a-f]{2,5});",
    re.I,
)
_WANTS_MARKUP = re.compile(
    r"\bhtml|\bxml|\bcss|\btags?\b|\bmarkup|\bweb ?page|\bwebsite|\bsvg|\bjsx|\breact|\bvue|\bcode|\bpython|\bfunction|\bscript|\bprogram|"
    r"\bjavascript|\bphp|\bmarkdown|\bescape|\bentit|\bparse|\bscrap|\bsoup\b|\btemplate|\bbutton|"
    r"\belement|\bstrip\b|\brss\b|\bselector|网页|标签|代码|前端|网站|标记|爬虫|按钮|实体",
    re.I,
)
_LITERAL_BREAK = re.compile(
    r"(?<![\\\w])\\n(?:\\n|\\t|[A-Z0-9\s*•-])|[a-z.!?:,]\\n(?=\S)|[。！？，]\\n"
)
_WANTS_ESCAPES = re.compile(
    r"\bcode|\bpython|\bjava|\bjson|\bregex|\bregular expression|\bstring|\bnewline|\bescape|\bprintf?|"
    r"\bfunction|\bscript|\blatex|\bc\+\+|\bbash|\bshell|\bcsv|\bsplit|\bprogram|代码|函数|字符串|换行|转义|"
    r"程序|正则|脚本",
    re.I,
)
_WIKI = re.compile(
    r"\[\[[^\[\]\n]{1,80}\]\]|\{\{(?:cite|reflist|citation|main|see also)\b|\[edit\]|\[citation needed\]|"
    r"'''[^'\n]{1,60}'''|^={2,4}[^=\n]{2,60}={2,4}$|\[/?(?:b|i|url|img|quote|code|color)(?:=[^\]\n]*)?\]",
    re.I | re.M,
)
_LINK_REST = re.compile(
    r"!\[[^\]\n]*\]\((?!https?:|data:)[^)\n]*\)|\]\(\s*\)|\[[^\]\n]{1,60}\]\((?:/|#|\./|\.\./)[^)\n]*\)"
)


def _html(view: View) -> Hit | None:
    for index, message in enumerate(view.row.messages):
        if message.role == "system":
            continue
        text = message.content
        if "<" not in text and "&" not in text:
            continue
        found = TAG.search(text) if "<" in text else None
        found = found or (ENTITY.search(text) if "&" in text else None)
        if found is None or "```" in text or "`" + found.group() in text:
            continue
        if _WANTS_MARKUP.search(view.prompt) or _PAGE.match(text):
            continue
        if found.group().lower() in ("<br>", "<br/>", "<br />") and "|" in text:
            continue  # the only line break a markdown table has
        if found.group().lower() in ("<a>", "<b>", "<i>", "<p>", "<u>") and _is_symbol(text, found):
            continue
        return Hit(index, *found.span(), shown(found.group()))
    return None


def _is_symbol(text: str, found: re.Match[str]) -> bool:
    """A letter in angle brackets as in mathematics or grammar: no closing tag, not repeated."""
    name = found.group().strip("</> ")
    return f"</{name}>" not in text.lower() and text.lower().count(f"<{name}>") == 1


def _literal_breaks(view: View) -> Hit | None:
    for index, message in enumerate(view.row.messages):
        text = message.content
        if "\\n" not in text or "```" in text or "`" in text:
            continue
        found = _LITERAL_BREAK.search(text)
        if found and not _WANTS_ESCAPES.search(view.prompt) and text.lstrip()[:1] not in "{[":
            if "\\nabla" in text or "\\nu" in text or "\\neq" in text or "\\not" in text:
                continue
            return Hit(
                index, *found.span(), shown(text[max(0, found.start() - 10) : found.end() + 10])
            )
    return None


def _wiki(view: View) -> Hit | None:
    for index, message in view.answers:
        text = message.content
        if "[" not in text and "==" not in text and "'''" not in text and "{{" not in text:
            continue
        found = _WIKI.search(text) or _LINK_REST.search(text)
        if found is None or "```" in text or _WANTS_MARKUP.search(view.prompt):
            continue
        if re.search(
            r"wiki|bbcode|latex|math|matrix|bash|shell|python|python|数组|矩阵|维基",
            view.prompt,
            re.I,
        ):
            continue
        return Hit(index, *found.span(), shown(found.group()))
    return None


def _broken_markdown(view: View) -> Hit | None:
    """A table whose rows have another number of cells than its header."""
    for index, message in view.answers:
        text = message.content
        if "|" not in text or "```" in text:
            continue
        lines = text.split("\n")
        for number, line in enumerate(lines[:-1]):
            if (
                not re.fullmatch(r"\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)+\|?\s*", line)
                or number == 0
            ):
                continue
            width = line.strip().strip("|").count("|")
            rows = [r for r in lines[number + 1 :] if "|" in r]
            body = [lines[number - 1], *rows[: _rows_of(lines, number)]]
            bad = [
                r
                for r in body
                if r.strip().strip("|").replace("\\|", "").count("|") != width
                and r.strip().count("|") - 2 != width
            ]
            if bad:
                return Hit(
                    index, text.index(bad[0]), text.index(bad[0]) + len(bad[0]), shown(bad[0])
                )
    return None


def _rows_of(lines: list[str], separator: int) -> int:
    count = 0
    for line in lines[separator + 1 :]:
        if "|" not in line:
            break
        count += 1
    return count


CHECKS = (
    RowCheck(
        "data.html",
        "warn",
        "had HTML tags or entities in the text",
        "The model learns to write them into plain answers.",
        "Strip them.",
        _html,
        ("strip-html", "drop"),
    ),
    RowCheck(
        "data.literal-breaks",
        "warn",
        "had line breaks written as the two characters \\n",
        "The model learns to write a backslash and an n.",
        "Export the source again with real line breaks.",
        _literal_breaks,
    ),
    RowCheck(
        "data.wiki-markup",
        "warn",
        "had markup of wikis, forums or dead links in the answer",
        "The model learns marks that nobody reads.",
        "Strip it from the text.",
        _wiki,
    ),
    RowCheck(
        "data.broken-tables",
        "info",
        "had a table whose rows have different numbers of cells",
        "The model learns tables that cannot be shown.",
        "Repair the table.",
        _broken_markdown,
    ),
)
