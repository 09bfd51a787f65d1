"""Questions about something the model will not see: documents, pictures, links."""

from __future__ import annotations

import re

from engine.data.quality.check import Hit, RowCheck, View, holds_any
from engine.data.text import shown

_DOCUMENT = (
    r"(?:document|passage|text|article|paragraph|section|chapter|excerpt|figure|table|page|report|"
    r"paper|file|pdf|slide|transcript|book|study|appendix|diagram|chart|graph|manual|context|essay|story|poem|author)"
)
_VAGUE = re.compile(
    rf"\b(?:this|the (?:above|given|provided|following|attached|present|current|aforementioned|"
    rf"preceding|previous|accompanying))\s+{_DOCUMENT}\b"
    rf"|\b(?:in|of|from|by|according to|based on)\s+(?:this|the)\s+{_DOCUMENT}\b"
    rf"|\b(?:the|this)\s+{_DOCUMENT}\s+(?:above|below|mentions?|states?|says?|describes?|discusses|"
    rf"suggests?|shows?|provides?)\b"
    r"|\bwhat (?:does|did|is|are) (?:the|this) (?:author|text|passage|document|article)\b"
    r"|\bthe author(?:'s|s)?\b|\bon page \d+|\b(?:does|did) the (?:section|list|table|chapter|document|report|"
    r"article|passage|figure|chart|paper)\b|\b(?:provided|given|supplied|enclosed|above) (?:material|"
    r"information|data|content|source)s?\b|第\s*[\d一二三四五六七八九十]+\s*(?:页|章|节|段)"
    r"|(?:文章|表格|列表|图表|文件|报告|段落|材料|清单|文档|资料)(?:的?最后|中|里|开头|结尾|列出|给出|提到|所示|指出)"
    r"|(?:上述|前述)(?:研究|实验|方法|结论|观点|步骤|数据)"
    r"|(?:本|这篇|该|此|上述|以上|上文|前述|这份|这段|下列|以下|文中|这个)(?:文档|文章|文件|段落|文本|材料|报告|论文|章节|章|节|图|"
    r"表格?|页面?|书|手册|短文|资料|内容|附件)|根据(?:上文|上述|文中|原文|材料|所给|给定)|文中(?:提到|指出|所述|的)|作者(?:认为|指出|在)",
    re.I,
)
# One of these is in every question that points at a document.
_DOCUMENTS = (
    *("document", "passage", "text", "article", "paragraph", "section", "chapter", "excerpt"),
    *("figure", "table", "page", "report", "paper", "file", "pdf", "slide", "transcript", "book"),
    *("study", "appendix", "diagram", "chart", "graph", "manual", "context", "essay", "story"),
    *(
        "poem",
        "author",
        "文",
        "材料",
        "报告",
        "章",
        "节",
        "图",
        "表",
        "页",
        "书",
        "手册",
        "资料",
        "内容",
    ),
    *("附件", "作者", "本", "原", "list", "material", "information", "data", "source", "列表"),
    *("清单", "第", "研究", "实验", "方法", "结论", "观点", "步骤", "数据"),
)
_ABSENT_BODY = re.compile(
    r"\b(?:the\s+)?following\s+(?:text|passage|sentences?|paragraph|article|code|list|words?|poem|e-?mail|"
    r"conversation|quote|numbers?|data|story|review|tweet|phrase|statement|question|equation|table)\b"
    r"|\b(?:given|provided|above|below)\s+(?:text|passage|sentence|paragraph|article|code|list|poem|review)\b"
    r"|(?:以下|下列|下面|如下|给定)的?(?:这?[一段个篇首句些])?(?:文本|文章|段落|句子|代码|文字|诗|列表|数据|内容|评论|新闻|邮件|对话)",
    re.I,
)
_IMAGE = re.compile(
    r"\b(?:attached|uploaded|following|above|below|this|in the|provided|given)\s+(?:image|picture|photo|"
    r"photograph|screenshot|video|audio|recording|sketch|drawing|painting|figure)\b"
    r"|\[(?:image|photo|picture|attachment|video|audio|图片|附件|视频)[^\]]{0,40}\]|<image>|<img\b"
    r"|\b(?:see|open|check|read|look at|refer to|find) (?:the )?attach(?:ed|ment)"
    r"|\b(?:chart|graph|diagram|map|plot|spreadsheet|table) (?:below|above|attached)\b|\bthis (?:chart|graph|diagram|map|"
    r"clip|pdf|scan)\b|\b(?:look at|in|from) the (?:screenshot|photo|picture|image|recording|video)\b"
    r"|\b(?:i(?:'ve| have)? (?:just )?(?:sent|attached|uploaded|shared)|i am sending|i'm sending)\b"
    r"|我(?:发|上传|附|传)(?:给你|给您)的|这(?:段|个|份|张)(?:录音|音频|视频|语音|照片|截图|图)"
    r"|\battached (?:file|document|pdf|spreadsheet|excel|csv|image)"
    r"|(?:附件|上传|所附|图中|图片中|照片中|这张|下图|上图|截图|该图|如图|视频中|录音中)(?:的|里|中)?(?:图|图片|照片|文件|文档|截图|所示|显示|内容|表格|是|有)?",
    re.I,
)
_ASKS_TO_DRAW = re.compile(
    r"^\W*(?:please\s+)?(?:draw|paint|sketch|generate|create|produce|show me|send me|make|design|render)\s+"
    r"(?:me\s+)?(?:an?|the|some)?\s*(?:\w+\s+){0,3}(?:image|picture|photo|photograph|painting|illustration|video|"
    r"drawing|screenshot|sketch)s?\b"
    r"|^(?:请|帮我)?(?:画|绘制|生成|发|给我)(?:一?[张幅个])?[^，。]{0,12}(?:图片|照片|图像|画|视频|插画)",
    re.I,
)
_MEDIA = (
    *(
        "image",
        "picture",
        "photo",
        "screenshot",
        "video",
        "audio",
        "recording",
        "sketch",
        "drawing",
    ),
    *("painting", "figure", "attach", "<img", "illustration", "图", "照片", "视频", "录音", "附件"),
    *("上传", "画", "chart", "graph", "diagram", "map", "plot", "spreadsheet", "table", "clip"),
    *(
        "pdf",
        "scan",
        "i've",
        "i have",
        "i just",
        "sending",
        "i sent",
        "i attach",
        "i upload",
        "语音",
    ),
    *("音频", "我发", "我附", "我传"),
)
_LINK = re.compile(r"https?://[^\s<>\"'）)】]+|\bwww\.[\w-]+\.[^\s<>\"']+", re.I)
_EXAMPLE_LINK = re.compile(r"(?:https?://)?(?:[\w-]+\.)?(?:example\.\w+|localhost|127\.)", re.I)
_ABOUT_LINK = re.compile(
    r"\b(?:summari[sz]e|read|open|visit|review|analy[sz]e|check|look at|watch|describe|translate|extract|"
    r"explain|according|based on|article|page|website|video|link|content)\b|总结|阅读|打开|访问|分析|查看|翻译|"
    r"概括|网页|链接|视频|文章|提取",
    re.I,
)
_THIS_PAGE = re.compile(
    r"\bthis (?:website|page|article|link|video|site|post|url)\b|这[个篇段](?:网|链|文|视)", re.I
)
_WRITES = re.compile(
    r"\b(?:write|compose|create|draft|generate|invent|imagine|design|what is (?:a|an)|define|how (?:do|to|can)|"
    r"wikipedia|regex|http|curl|api|url|code|html|python|request)\b|写|编|创作|如何|怎么|什么是|代码|接口",
    re.I,
)
# A question that brings its own text has at least so much beside the sentence that points at it.
_BODY = 60


def _vague(view: View) -> Hit | None:
    """A question that points at a document, in a row that has none."""
    if len(view.prompts) != 1 or (
        view.row.messages[0].role == "system" and len(view.row.messages[0].content) > 200
    ):
        return None
    index, message = view.prompts[0]
    text = message.content
    if len(text) > 300:
        return None
    found = _VAGUE.search(text) if holds_any(view.lowered[index], _DOCUMENTS) else None
    if found is None or _has_body(text, found.end()) or _names_its_work(text):
        return None
    if re.match(r"\s+(?:of\s+)?[A-Z\"“‘《']", text[found.end() :]):
        return None  # the book Silent Spring
    return Hit(index, *found.span(), shown(text))


def _absent_body(view: View) -> Hit | None:
    """ "The following text", and nothing follows."""
    if not view.prompts:
        return None
    index, message = view.prompts[-1]
    text = message.content
    if len(text) > 250 or len(view.prompts) > 1:
        return None
    found = _ABSENT_BODY.search(text)
    if found is None or _has_body(text, found.end()):
        return None
    answer = view.answers[0][1].content if view.answers else ""
    if _WRITES.search(text[: found.start()]) and "write" in text.lower()[:20]:
        return None
    if re.search(
        r"\b(?:please provide|could you (?:please )?provide|请提供|您没有提供)", answer, re.I
    ):
        return Hit(index, *found.span(), shown(text))
    if re.search(
        r"[:：]\s*\S|\"[^\"]{8,}\"|“[^”]{4,}”|'[^']{12,}'|\n\s*\S|\d+\s*[,+*/-]\s*\d+",
        text[max(0, found.start() - 5) :],
    ):
        return None
    return Hit(index, *found.span(), shown(text))


def _picture(view: View) -> Hit | None:
    for index, message in view.prompts:
        text = message.content
        if len(text) > 800:
            continue
        lowered = view.lowered[index]
        if not holds_any(lowered, _MEDIA):
            continue
        found = _IMAGE.search(text)
        if found and not _brings_its_own(text) and not _about_pictures(text):
            return Hit(index, *found.span(), shown(found.group()))
        found = _ASKS_TO_DRAW.search(text)
        if found and not re.search(
            r"prompt|html|svg|css|code|ascii|description|caption|story|script|idea|提示词|代码|文案|描述|脚本",
            text,
            re.I,
        ):
            return Hit(index, *found.span(), shown(found.group()))
    return None


def _link(view: View) -> Hit | None:
    """A question that lies behind a link."""
    for index, message in view.prompts:
        text = message.content
        if "http" not in text and "www." not in text:
            continue
        found = _LINK.search(text)
        if found is None:
            continue
        rest = _LINK.sub(" ", text)
        words = len(rest.split()) + sum("\u4e00" <= c <= "\u9fff" for c in rest) // 2
        points = _THIS_PAGE.search(rest)
        is_about = _ABOUT_LINK.search(rest) and not _WRITES.search(rest)
        is_bare = words <= 3 and not _EXAMPLE_LINK.match(found.group())
        if is_bare or (words <= 40 and (points or is_about)):
            return Hit(index, *found.span(), shown(found.group()))
    return None


def _has_body(text: str, end: int) -> bool:
    """Whether a text stands beside the words that point at it."""
    if "\n" in text.strip() and len(text) > 40:
        return True
    tail = text[end:]
    if re.search(r"[:：]\s*\S.{15,}", tail, re.S) or len(tail) > _BODY * 3:
        return True
    return bool(re.search(r"[\"“‘「《'].{12,}[\"”’」》']", text, re.S))


def _names_its_work(text: str) -> bool:
    """A named book, paper or film: \"in the novel Emma\", \"the author of Dune\"."""
    if re.search(
        r"《[^》]+》|\"[^\"]+\"|“[^”]+”|\b(?:of|by|in)\s+(?:the\s+)?(?:[A-Z][\w'’-]+)", text[1:]
    ):
        return True
    return bool(
        re.search(
            r"\bwrite\b|\bcreate\b|\bgenerate\b|\bcompose\b|\bdefine\b|\bhow (?:do|to|can|should)\b|\bwhat is an?\b|"
            r"写一|生成|如何|怎么|创作|编写|起草",
            text,
            re.I,
        )
    )


def _brings_its_own(text: str) -> bool:
    return bool(re.search(r"[:：]\s*\S.{30,}|\n\s*\S|https?://", text, re.S))


def _about_pictures(text: str) -> bool:
    return bool(
        re.search(
            r"\bpython|\bcode|\bhtml|\bcss|\bopencv|\bhow (?:do|to|can|does)|\bwhat is an?\b|\bfunction|\bapi\b|"
            r"代码|函数|如何|怎么|怎样|什么是|程序|写一",
            text,
            re.I,
        )
    )


CHECKS = (
    RowCheck(
        "data.vague-questions",
        "warn",
        "asked about a document that is not in the row",
        "In use nobody sends that document: the model learns to make its content up.",
        "Name the subject in the question, or put the document into it.",
        _vague,
    ),
    RowCheck(
        "data.missing-input",
        "warn",
        "pointed at a text that is not there",
        "The answer cannot be learned from the question.",
        "Put the text into the question or remove these rows.",
        _absent_body,
    ),
    RowCheck(
        "data.absent-media",
        "warn",
        "asked about, or for, a picture, a recording or an attachment",
        "A language model sees and makes none: it learns to pretend.",
        "Remove these rows or put the content into words.",
        _picture,
    ),
    RowCheck(
        "data.link-questions",
        "warn",
        "asked about what lies behind a link",
        "The model does not open links: it learns to make pages up.",
        "Put the content of the page into the question or remove these rows.",
        _link,
    ),
)
