"""Answers that can be checked by doing the work again: sums, JSON, Python."""

from __future__ import annotations

import ast
import json
import math
import operator
import re
import statistics
import warnings
from collections.abc import Callable

from engine.data.quality.check import Hit, RowCheck, View
from engine.data.text import shown

_NUMBER = r"-?\d+(?:,\d{3})*(?:\.\d+)?"
_SUM = re.compile(
    rf"({_NUMBER}(?:\s*[-+*/x×÷−^]\s*\(?\s*{_NUMBER}\)?)+|\(\s*{_NUMBER}[^=\n]{{1,60}})\s*(?:=|\?|？|$|等于)"
)
_ASKS = re.compile(
    r"^\W*(?:please\s+)?(?:what(?:'s| is| does)|calculate|compute|evaluate|solve|find|work out|how much is|"
    r"请?(?:计算|算出?|求|问)|算一下)?\s*(?:the\s+)?(?:value|result|sum|product|answer|difference|quotient)?\s*(?:of\s*)?[:：]?\s*"
    r"(?P<sum>[-(\d][\d\s.,+*/x×÷−()^-]*\d\)?)\s*(?:=|equals?|等于|是)?\s*(?:多少|几)?\s*[?？.。=]*\s*$",
    re.I,
)
_WORDS: tuple[tuple[str, str], ...] = (
    (r"\b(?:plus|added to)\b|加上?", "+"),
    (r"\b(?:minus|less)\b|减去?", "-"),
    (r"\b(?:times|multiplied by)\b|乘以?", "*"),
    (r"\b(?:divided by|over)\b|除以", "/"),
)
_AVERAGE = re.compile(
    rf"\b(?P<what>mean|average|median|sum|total|maximum|minimum|largest|smallest)\b[^.\d\n]{{0,60}}?[:\s(\[{{]"
    rf"(?P<list>{_NUMBER}(?:\s*(?:,|and|;|\s)\s*(?:and\s+)?{_NUMBER}){{2,}})",
    re.I,
)
_AVERAGE_ZH = re.compile(
    rf"(?P<list>{_NUMBER}(?:\s*[,，、和]\s*{_NUMBER}){{2,}})[^。\n\d]{{0,8}}的?(?P<what>平均[数值]?|中位数|总和|和|最大值|最小值)"
)
_SIDE = rf"{_NUMBER}(?:\s*[-+*/×÷]\s*{_NUMBER})*"
_CHAIN = re.compile(rf"(?<![\w.])({_SIDE}(?:\s*=\s*{_SIDE})+)(?![\d.,]*[\w*/×÷+%^(-])")
_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.USub: operator.neg, ast.UAdd: operator.pos,
}  # fmt: skip
_WANTS_JSON = re.compile(
    r"\b(?:as|in|into|to|return|output|valid|a|only)\s+(?:a\s+|valid\s+|an?\s+)*json\b|\bjson\s+(?:object|format|array|output)|"
    r"(?:以|用|输出|返回|转换?[成为])\s*json|json\s*(?:格式|对象|数组)",
    re.I,
)
# Sums that follow other rules, or are told to be wrong.
_OTHER_RULES = re.compile(
    r"\bmod(?:ul\w+)?\b|\bbase\b|binary|octal|\bhex|o'clock|\bclock\b|\bfalse\b|\bwrong|incorrect|mistake|\berror|"
    r"orwell|\briddle|\bjoke|\bboolean|\bpuzzle|进制|点钟|时钟|错误|不正确|算错|谜|脑筋",
    re.I,
)
# Points for a range: "1-3 = low, 4-6 = 2".
_RANGE = re.compile(r"\d+[-–]\d+\s*=")
_FENCE = re.compile(r"```[ \t]*(\w+)?[^\n]*\n(.*?)```", re.S)
_PYTHON_2 = re.compile(
    r"^\s*print\s+[^(\s=]|\bexcept\s+\w+\s*,\s*\w+:|\bxrange\(|\braw_input\(", re.M
)


def _arithmetic(view: View) -> Hit | None:
    if len(view.prompts) != 1 or len(view.answers) != 1:
        return None
    prompt, (index, message) = view.prompts[0][1].content, view.answers[0]
    if len(prompt) < 400 and any(map(str.isdigit, prompt)):
        wanted = _asked(prompt)
        if wanted is not None:
            return _compare(wanted, message.content, index)
    return _wrong_chain(prompt, message.content, index)


def _asked(prompt: str) -> float | None:
    text = prompt.strip()
    found = _AVERAGE.search(text) or _AVERAGE_ZH.search(text)
    if found and len(text) < 300:
        numbers = [_value(n) for n in re.findall(_NUMBER, found["list"])]
        return _of_list(found["what"].lower(), numbers) if len(text[found.end() :]) < 30 else None
    if len(text) > 120:
        return None
    for pattern, sign in _WORDS:
        text = re.sub(pattern, sign, text, flags=re.I)
    match = _ASKS.match(text)
    if match is None or not re.search(r"\d\s*\)?\s*[-+*/x×÷−^]\s*\(?\s*-?\d", match["sum"]):
        return None
    return _evaluate(match["sum"])


def _of_list(what: str, numbers: list[float]) -> float | None:
    if what in ("mean", "average") or what.startswith("平均"):
        return statistics.fmean(numbers)
    if what in ("median", "中位数"):
        return statistics.median(numbers)
    if what in ("sum", "total", "总和", "和"):
        return math.fsum(numbers)
    if what in ("maximum", "largest", "最大值"):
        return max(numbers)
    return min(numbers)


def _compare(wanted: float, answer: str, index: int) -> Hit | None:
    """A hit where the answer holds numbers and none of them is the right one."""
    if re.search(r"\bremainder\b|\bround|约|余|≈|approximately|\bR\d", answer, re.I):
        return None
    said = [
        _value(number)
        for number in re.findall(_NUMBER.replace("-?", "[-−]?"), answer.replace("−", "-"))
    ]
    if not said or re.search(r"\d\s*/\s*\d|\be\+?\d|\^|\*\*", answer):
        return None
    if any(_is_close(number, wanted) or _is_close(abs(number), abs(wanted)) for number in said):
        return None
    return Hit(index, 0, len(answer), f"{wanted:g} is right")


def _wrong_chain(prompt: str, answer: str, index: int) -> Hit | None:
    """A sum written out in the answer whose result is wrong."""
    if "=" not in answer or "```" in answer:
        return None
    for found in _CHAIN.finditer(answer):
        before = answer[max(0, found.start() - 3) : found.start()]
        if before.rstrip()[-1:] in tuple("+-*/×÷^=(,") or re.search(r"[A-Za-z_\]\[]$|\d $", before):
            continue  # the end of a longer sum, an index, or the fraction of a mixed number
        wrong = _wrong_side(found.group(1).split("="))
        if wrong is None:
            continue
        if _OTHER_RULES.search(answer) or _OTHER_RULES.search(prompt):
            continue
        if re.match(
            r"\s?[%\d]|\s*(?:R\s?\d|rem|r\.|余|hours?|hrs?|feet|ft|小时)", answer[found.end() :]
        ):
            continue  # a percentage, a remainder, the larger of two units
        if _RANGE.match(found.group()):
            continue
        return Hit(index, *found.span(), f"{shown(found.group())}, {wrong:g} is right")
    return None


def _wrong_side(sides: list[str]) -> float | None:
    """The right value where a side of a chain of equal sums differs from the first."""
    wanted = _evaluate(sides[0])
    if wanted is None or not re.search(r"\d\s*[-+*/×÷]", sides[0]):
        return None
    for side in sides[1:]:
        said = _evaluate(side)
        if said is None or _is_close(said, wanted):
            continue
        if _is_plain(side) and _is_rounded(side.strip(), wanted):
            continue
        return wanted
    return None


def _is_plain(side: str) -> bool:
    return re.fullmatch(rf"\s*{_NUMBER}\s*", side) is not None


def _evaluate(text: str) -> float | None:
    """The value of a sum with numbers, brackets and the four operations; None for anything else."""
    plain = text.replace("−", "-").replace("×", "*").replace("÷", "/").replace(",", "")
    plain = re.sub(r"(?<=[\d)\s])x(?=[\s\d(-])", "*", plain).replace("^", "**")
    plain = re.sub(r"\b0+(?=\d)", "", plain)
    try:
        return _walk(ast.parse(plain.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return None


def _walk(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.BinOp):
        left, right = _walk(node.left), _walk(node.right)
        if isinstance(node.op, ast.Pow) and (abs(right) > 64 or abs(left) > 1e6):
            raise ValueError
        return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_walk(node.operand))
    raise ValueError


def _value(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9) or _near(one, other)


def _near(said: float, wanted: float) -> bool:
    """Right as far as it was written out: 0.33 for a third."""
    digits = len(repr(said).partition(".")[2]) if "." in repr(said) else 0
    return (
        abs(said - wanted) <= 0.5 * 10.0**-digits
        and (digits > 0 or abs(wanted) >= 1)
        and said != 0
        and not float(wanted).is_integer()
    )


def _is_rounded(text: str, wanted: float) -> bool:
    digits = len(text.partition(".")[2])
    return abs(_value(text) - wanted) <= 0.51 * 10.0**-digits and not float(wanted).is_integer()


def _json(view: View) -> Hit | None:
    if len(view.answers) != 1 or "json" not in view.prompt.lower():
        return None
    if not _WANTS_JSON.search(view.prompt) or re.search(
        r"\bwhat is|explain|difference|function|code|schema|python|javascript|代码|函数|解释|什么是",
        view.prompt,
        re.I,
    ):
        return None
    index, message = view.answers[0]
    fenced = [
        body for kind, body in _FENCE.findall(message.content) if kind.lower() in ("", "json")
    ]
    text = (fenced[0] if fenced else message.content).strip()
    if text[:1] not in "{[" or (len(text) > 1 and text[0] == "[" and text[1:2].isalpha()):
        return None
    try:
        json.loads(text)
    except RecursionError:
        return None
    except ValueError as error:
        lines = text.split("\n")
        if all(_parses(line) for line in lines if line.strip()):
            return None  # JSON Lines
        return Hit(index, 0, len(message.content), shown(str(error)))
    return None


def _parses(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _code(view: View) -> Hit | None:
    for index, message in view.answers:
        if "```" not in message.content:
            continue
        for found in _FENCE.finditer(message.content):
            kind, body = (found.group(1) or "").lower(), found.group(2)
            if kind in ("python", "py", "python3") and not _is_python(body):
                return Hit(index, *found.span(), "Python that does not parse")
            if kind == "json" and not _is_jsonish(body):
                return Hit(index, *found.span(), "JSON that does not parse")
    return None


def _is_python(body: str) -> bool:
    if (
        ">>>" in body
        or "..." in body
        or _PYTHON_2.search(body)
        or re.search(r"^\s*[%!$]", body, re.M)
    ):
        return True  # a session, a sketch, Python 2, a notebook
    if "<" in body and re.search(r"<[a-z_ ]+>", body):
        return True
    lines = body.split("\n")
    indent = min((len(one) - len(one.lstrip()) for one in lines if one.strip()), default=0)
    text = "\n".join(line[indent:] for line in lines)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        said = str(error)
        # Output and shell commands are often shown in the same block, and `return` stands alone.
        return "outside function" in said
    except (ValueError, RecursionError, MemoryError):
        return True
    return True


def _is_jsonish(body: str) -> bool:
    text = body.strip()
    if not text or "..." in text or "//" in text or "/*" in text or "<" in text:
        return True
    try:
        json.loads(text)
    except RecursionError:
        return True
    except ValueError:
        return all(_parses(line) for line in text.split("\n") if line.strip())
    return True


CHECKS = (
    RowCheck(
        "data.wrong-arithmetic",
        "warn",
        "had a calculation that comes out otherwise",
        "Wrong results are learned like right ones.",
        "Correct these answers or remove the rows.",
        _arithmetic,
    ),
    RowCheck(
        "data.invalid-json",
        "warn",
        "were asked for JSON and answered with text that does not parse",
        "Programs that read the model's answers will fail on it.",
        "Correct these answers or remove the rows.",
        _json,
    ),
    RowCheck(
        "data.broken-code",
        "warn",
        "had a code block that does not parse",
        "The model learns code that does not run.",
        "Correct these answers or remove the rows.",
        _code,
    ),
)
