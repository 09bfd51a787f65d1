"""What templates and prompts leave behind: placeholders, headers of formats, control tokens."""

from __future__ import annotations

import re

from engine.data.quality.check import Hit, RowCheck, View
from engine.data.text import shown

_PLACEHOLDER = re.compile(
    r"\[(?:your|my|insert|recipient|sender|company|customer|client|user|first|last|full|product|"
    r"position|job|date|name|address|phone|email|city|state|topic|title|link|url|number|amount|"
    r"specific|relevant|enter|add|fill)\b[^\[\]\n]{0,40}\](?!\()"
    r"|\{\{\s*[\w.$-]{1,40}\s*\}\}|<(?:insert|your|name|placeholder|fill)\b[^<>\n]{0,30}>"
    r"|\blorem ipsum\b|(?-i:\bXX{2,}\b|\b(?:TODO|FIXME|TBD)\b(?=[:.\s]|$))|\$\{[A-Za-z_]\w*\}"
    r"|[\[【(（](?:请?(?:填写|输入|插入|填入)|你的|您的|姓名|公司名称?|日期|地址|电话|待补充|此处)[^\]】)）:：\n]{0,20}[\]】)）]"
    r"|<(?:city|country|company|date|address|number|amount|title|email|phone|year|person|product|place|time)s?>"
    r"|(?<![\\\w}$^_])\{(?-i:[a-z_]{2,20}|n|x|[\u4e00-\u9fff]{1,8})\}(?![\w{])|<[\u4e00-\u9fff]{2,6}>"
    r"|此处省略|(?:^|\n)待办[:：]|某某某|ＸＸＸ|×××",
    re.I,
)
_WANTS_TEMPLATE = re.compile(
    r"\btemplate|\bplaceholder|\bletter|\be-?mail|\bform\b|\bmessage\b|\binvit|\bcontract|\bagreement|"
    r"\bresume|\bcv\b|\bcover\b|\bhtml|\bjinja|\bvue|\bangular|\bhandlebars|\bbash|\bshell|\bscript|"
    r"\bcode|\bfunction|\bjavascript|\bmemo\b|\bnote\b|\bdraft|\breview|\bspeech|\btestimonial|"
    r"\bf-string|\bstring|\bpython|\bvariable|\bnotation|\bmath|\bformula|\bsets?\b|\btypes?cript|"
    r"\bannounce|\bpress release|\badvert|\bproposal|\bthank|\bpost\b|\btweet|模板|信|邮件|表格|合同|"
    r"简历|通知|邀请|代码|函数|脚本|公告|申请|演讲|占位",
    re.I,
)
FORMAT = re.compile(
    r"^\s*#{2,4}\s*(?:instruction|response|human|assistant|指令|回答|用户|助手)\s*[:：]?\s*$"
    r"|^\s*#{2,4}\s*(?:input|output|user|system|question|answer|输入|输出|问题)\s*[:：]\s*$"
    r"|^\s*#{2,4}\s*(?:instruction|response|input|human|assistant|指令|回答|输入)\s*[:：]"
    r"|#{2,4}\s*(?:response|instruction|用户|助手|机器人|回答|指令)\s*[:：]"
    r"|^\s*\d{1,3}\s*[.、)]\s*(?:instruction|task|指令|任务)\s*[:：]"
    r"|\A\s*(?:response|output|completion|输出|回复)\s*[:：]|\A\s*(?:%s\b|\$\{\w+\}|\{\{?\s*\w+\s*\}?\}\s)"
    r"|<\s*(?:no ?input|no ?output|无输入|无输出)\s*>|(?:助手|assistant|response|output|输出|回复|回答)\s*[:：]\s*\Z"
    r"|\[/?INST\]|<</?SYS>>|\bBEGINNING OF CONVERSATION\b"
    r"|^below is an instruction that describes a task|(?:\A|\n)\s*(?:以下|下面)是[^。\n]{0,10}任务的指令",
    re.I | re.M,
)
# The next example of a list that was split in the wrong place.
NEXT_EXAMPLE = re.compile(
    r"\n\s*(?:#{2,4}\s*\n+\s*)?(?:task|example|instruction|prompt|exercise|question)\s*\d+\s*[:.：]\s*\S"
    r"|\n\s*Q\d*\s*[:：]\s*\S.{8,}|\n\s*question\s*[:：]\s*\S.{8,}"
    r"|\n\s*(?:问题|问|提问)\s*\d*\s*[:：].{4,}\n\s*(?:答案|答|回答)\s*[:：]"
    r"|\n\s*(?:示例|例|样例|例子)\s*\d+\s*[:：]\s*\n?\s*(?:输入|问题|指令)"
    r"|\n\s*(?:input|输入)\s*[:：].{4,}\n\s*(?:output|输出)\s*[:：]",
    re.I,
)
_WANTS_EXAMPLES = re.compile(
    r"\bquiz|\bquestion|\bfaq|\bexample|\bexercise|\bq ?& ?a|\binterview|\btask|\btest\b|\bprompt|\binstruction|"
    r"\bexam\b|\bflashcard|\bsurvey|\bprogram|\bfunction|\balgorithm|问题|问答|例|题|访谈|测试|任务|指令|输入|输出|提问",
    re.I,
)
CONTROL_TOKEN = re.compile(
    r"<\|[a-zA-Z_][\w -]{0,40}\|>|<｜[^｜\n]{1,40}｜>|</?s>(?=\s|$|[A-Z<])|<(?:start|end)_of_turn>|"
    r"<(?:bos|eos|pad|unk|mask)>|\[(?:BOS|EOS|PAD|UNK|SEP|CLS)\]|<\|?endoftext\|?>"
)
_ROLE_LINE = re.compile(
    r"(?:^|\n)\s*(?:human|user|assistant|ai|bot|chatgpt|gpt|system|用户|助手|人类|机器人|系统)\s*[:：]\s*\S",
    re.I,
)
_WANTS_DIALOGUE = re.compile(
    r"\bdialog|\bconversation|\bchat|\bscript|\binterview|\bscene|\btranscript|\bplay\b|\bstory|\bskit|"
    r"\bexchange|\bassistant\b|\buser\b|\bhuman\b|对话|聊天|剧本|采访|访谈|场景|故事|用户|助手|机器人",
    re.I,
)
_WANTS_TOKENS = re.compile(
    r"token|special|template|chatml|markup|\bhtml|\bbert\b|\btransformer|\bprompt format|strikethrough|"
    r"特殊|标记|模板|分词",
    re.I,
)
_THINK = re.compile(r"</?(?:think|thinking|reasoning|thought|scratchpad)>", re.I)


def _placeholder(view: View) -> Hit | None:
    for index, message in view.answers:
        text = message.content
        if not any(sign in text for sign in "[{<【（$×Ｘ某X(省办") and not any(
            word in text.lower() for word in ("lorem", "todo", "fixme", "tbd")
        ):
            continue
        found = _PLACEHOLDER.search(text)
        if found is None or _WANTS_TEMPLATE.search(view.prompt) or "```" in text or "\\" in text:
            continue
        if found.group() in view.prompt or _is_numeral(text, found):
            continue
        return Hit(index, *found.span(), shown(found.group()))
    return None


def _is_numeral(text: str, found: re.Match[str]) -> bool:
    """The thirty of a Roman numeral: after a name, as in Super Bowl XXX."""
    before = text[: found.start()].split()[-1:]
    return found.group() == "XXX" and bool(before) and before[0][:1].isupper()


def _placeholder_prompt(view: View) -> Hit | None:
    """A question whose own template was never filled in."""
    for index, message in view.prompts:
        text = message.content
        if "{" not in text and "$" not in text:
            continue
        found = re.search(
            r"\{\{\s*[\w.]{1,40}\s*\}\}|\$\{(?!(?:HOME|PATH|USER|PWD|SHELL)\})[A-Za-z_]\w*\}", text
        )
        bare = found or re.fullmatch(r"\W*\{[a-z_]{2,30}\}\W*", text)
        if bare and not _WANTS_TEMPLATE.search(text) and "```" not in text and "class=" not in text:
            return Hit(index, *bare.span(), shown(bare.group()))
    return None


def _format(view: View) -> Hit | None:
    for index, message in view.answers:
        text = message.content
        found = FORMAT.search(text)
        if found and found.group().strip() in view.prompt:
            found = None  # the answer is about it
        if found and not _WANTS_TOKENS.search(view.prompt) and "markdown" not in view.asked:
            return Hit(index, *found.span(), shown(found.group().strip()))
        found = NEXT_EXAMPLE.search(text) if "\n" in text else None
        if found and not _WANTS_EXAMPLES.search(view.prompt):
            return Hit(index, *found.span(), shown(found.group().strip()))
    return None


def _control_token(view: View) -> Hit | None:
    for index, message in enumerate(view.row.messages):
        text = message.content
        if "<" not in text and "[" not in text:
            continue
        found = CONTROL_TOKEN.search(text)
        if found and not _WANTS_TOKENS.search(view.prompt):
            return Hit(index, *found.span(), shown(found.group()))
    return None


def _role_lines(view: View) -> Hit | None:
    """A dialogue inside one answer, where nobody asked for one."""
    for index, message in view.answers:
        text = message.content
        if ":" not in text and "：" not in text:
            continue
        found = list(_ROLE_LINE.finditer(text))
        if not found or _WANTS_DIALOGUE.search(view.prompt):
            continue
        roles = {match.group().split(":")[0].split("：")[0].strip().lower() for match in found}
        if roles & {"human", "user", "用户", "人类"} or len(roles) >= 2:
            return Hit(index, *found[0].span(), shown(found[0].group().strip()))
    return None


def _think(view: View) -> Hit | None:
    for index, message in view.answers:
        if "<" not in message.content:
            continue
        tags = [match.group().lower() for match in _THINK.finditer(message.content)]
        opened = sum(not tag.startswith("</") for tag in tags)
        if tags and (opened * 2 != len(tags)):
            return Hit(index, 0, 0, shown(tags[0]))
    return None


CHECKS = (
    RowCheck(
        "data.placeholders",
        "warn",
        "had placeholders in the answer that were never filled in",
        "The model learns to answer with blanks.",
        "Fill them in or remove these rows, unless templates are what it should write.",
        _placeholder,
    ),
    RowCheck(
        "data.placeholder-prompts",
        "warn",
        "had a question whose template was never filled in",
        "The question the model should learn is missing.",
        "Fill the template in and export again, or remove these rows.",
        _placeholder_prompt,
    ),
    RowCheck(
        "data.template-residue",
        "warn",
        "had headers of another prompt format, or a further example, inside an answer",
        "The model learns to go on with a new question after its answer.",
        "Cut the answer at the header.",
        _format,
        ("strip-template", "drop"),
    ),
    RowCheck(
        "data.control-tokens",
        "warn",
        "had control tokens of chat templates in the text",
        "A tokenizer may read them as real ones, such as a stop in mid-answer.",
        "Remove them from the text.",
        _control_token,
        ("strip-template", "drop"),
    ),
    RowCheck(
        "data.role-markers",
        "warn",
        "had turns of a dialogue written into one answer",
        "The model learns to speak for its user.",
        "Split them into turns, or cut the answer there.",
        _role_lines,
    ),
    RowCheck(
        "data.think-residue",
        "warn",
        "had a thinking block that is not closed, or not opened",
        "The model learns to begin or end its thoughts in the wrong place.",
        "Complete the tags or remove them.",
        _think,
    ),
)
