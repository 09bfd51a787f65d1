"""Rows as public instruction sets have them, with nothing wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.data.planted.words import code, sections


@dataclass(frozen=True)
class Sample:
    """Turns as (role, text), the language (en, zh or other) and the kind of task."""

    turns: tuple[tuple[str, str], ...]
    language: str
    kind: str
    topic: str = ""
    facts: tuple[str, ...] = field(default=())


def _pick(rng: random.Random, language: str, num: int) -> tuple[str, list[str]]:
    topic, facts = rng.choice(list(sections(f"topics_{language}").items()))
    return topic, rng.sample(facts, num)


_ASK = {
    "en": (
        "Explain {0} to a {1}.",
        "What should a {1} know about {0}?",
        "Write a short paragraph about {0} for a {1}.",
        "Tell me about {0}, as you would tell a {1}.",
        "Give a {1} an overview of {0}.",
        "I am a {1} and curious about {0}. Where do I begin?",
    ),
    "zh": (
        "请向{1}介绍一下{0}。",
        "关于{0}，{1}应该知道些什么？",
        "给{1}写一小段关于{0}的文字。",
        "我是{1}，想了解{0}，从哪里说起好？",
        "用{1}听得懂的话讲讲{0}。",
    ),
}
_WHO = {
    "en": [
        "schoolchild",
        "nurse",
        "beginner",
        "farmer",
        "tourist",
        "retired-teacher",
        "journalist",
        "pilot",
        "colleague",
        "gardener",
        "student",
        "lawyer",
        "carpenter",
        "librarian",
        "grandmother",
        "cook",
        "driver",
        "musician",
        "sailor",
    ],
    "zh": [
        "小学生",
        "护士",
        "初学者",
        "农民",
        "游客",
        "退休教师",
        "记者",
        "飞行员",
        "同事",
        "园丁",
        "大学生",
        "律师",
        "木匠",
        "图书管理员",
        "奶奶",
        "厨师",
        "司机",
        "音乐家",
        "水手",
    ],
}


def explain(rng: random.Random, language: str) -> Sample:
    topic, facts = _pick(rng, language, rng.choice((2, 3, 3, 4)))
    who = rng.choice(_WHO[language]).replace("-", " ")
    prompt = rng.choice(_ASK[language]).format(topic, who)
    answer = (" " if language == "en" else "").join(facts)
    return Sample((("user", prompt), ("assistant", answer)), language, "explain", topic, (*facts,))


def listing(rng: random.Random, language: str) -> Sample:
    topic, facts = _pick(rng, language, 3)
    who = rng.choice(_WHO[language]).replace("-", " ")
    prompt = f"List three facts about {topic} for a {who}."
    if language == "zh":
        prompt = f"列出{topic}的三个要点，写给{who}看。"
    mark = rng.choice(("1.", "-", "*"))
    lines = [f"{i}. {t}" if mark == "1." else f"{mark} {t}" for i, t in enumerate(facts, 1)]
    turns = (("user", prompt), ("assistant", "\n".join(lines)))
    return Sample(turns, language, "list", topic, (*facts,))


def summary(rng: random.Random, language: str) -> Sample:
    topic, facts = _pick(rng, language, 4)
    text = (" " if language == "en" else "").join(facts)
    ask = (
        "Summarise the following text in one sentence.\n\n"
        if language == "en"
        else "用一句话概括下面的文字。\n\n"
    )
    short = f"The text gives four facts on {topic}, from {facts[0].split()[0].lower()} onward."
    if language == "zh":
        short = f"这段文字从四个方面介绍了{topic}。"
    return Sample((("user", ask + text), ("assistant", short)), language, "summary", topic)


def chat(rng: random.Random, language: str) -> Sample:
    topic, facts = _pick(rng, language, 3)
    who = rng.choice(_WHO[language]).replace("-", " ")
    more = ("Go on, please.", "Interesting. What else?", "And one more?")
    ask = f"My neighbour, a {who}, keeps talking about {topic}. What is it about?"
    if language == "zh":
        more = ("请接着讲。", "真有意思，还有呢？", "再说一点吧。")
        ask = f"我的邻居是{who}，他总提起{topic}，到底有什么讲究？"
    turns = [("user", ask), ("assistant", facts[0])]
    for fact in facts[1:]:
        turns += [("user", rng.choice(more)), ("assistant", fact)]
    return Sample((*turns,), language, "chat", topic, (*facts,))


def maths(rng: random.Random, language: str) -> Sample:
    a, b, c = rng.randint(12, 990), rng.randint(3, 97), rng.randint(2, 480)
    said = f"{a} × {b} + {c} = {a * b} + {c} = {a * b + c}"
    thing = rng.choice(["crates", "boxes", "pallets", "shelves", "tins", "sacks"])
    prompt = f"A store has {a} {thing} with {b} items each and {c} loose items. How many in all?"
    answer = f"{said}, so there are {a * b + c} items."
    if language == "zh":
        prompt = f"仓库里有{a}箱货，每箱{b}件，另有散货{c}件，一共多少件？"
        answer = f"{said}，所以一共{a * b + c}件。"
    return Sample((("user", prompt), ("assistant", answer)), language, "maths")


_NAMES = [
    "Marta",
    "Ivan",
    "Chen",
    "Aisha",
    "Pedro",
    "Lena",
    "Omar",
    "Yuki",
    "Nadia",
    "Tom",
    "Greta",
    "Hugo",
    "Priya",
    "Sven",
    "Rosa",
]
_TOWNS = [
    "Porto",
    "Leipzig",
    "Osaka",
    "Lyon",
    "Bergen",
    "Quito",
    "Cusco",
    "Tartu",
    "Ghent",
    "Sfax",
    "Pune",
    "Perth",
    "Turin",
]
_JOBS = [
    "baker",
    "welder",
    "dentist",
    "tailor",
    "surveyor",
    "florist",
    "plumber",
    "translator",
    "chemist",
]


def as_json(rng: random.Random, language: str) -> Sample:
    name, town, job, age = (
        rng.choice(_NAMES),
        rng.choice(_TOWNS),
        rng.choice(_JOBS),
        rng.randint(19, 88),
    )
    year = rng.randint(1985, 2024)
    text = f"{name}, {age}, has worked as a {job} in {town} since {year}."
    ask = "Extract name, age, job, town and year as JSON."
    if language == "zh":
        text = f"{name}今年{age}岁，自{year}年起在{town}工作，职业代码{job}。"
        ask = "请以JSON格式提取姓名、年龄、职业、城市和年份。"
    made = {"name": name, "age": age, "job": job, "town": town, "since": year}
    answer = json.dumps(made, ensure_ascii=False, indent=rng.choice((None, 2)))
    return Sample((("user", f"{ask}\n{text}"), ("assistant", answer)), language, "json")


def python(rng: random.Random, language: str) -> Sample:
    verb, noun = (
        rng.choice(["count", "keep", "drop", "sum", "join"]),
        rng.choice(
            [
                "prices",
                "words",
                "scores",
                "temperatures",
                "names",
                "readings",
                "parcels",
                "visits",
                "orders",
                "lengths",
            ]
        ),
    )
    limit, step = rng.randint(2, 99), rng.randint(2, 9)
    body = {
        "count": f"return sum(1 for one in {noun} if len(str(one)) > {limit})",
        "keep": f"return [one for one in {noun} if hash(one) % {step} == 0]",
        "drop": f"return {noun}[{limit}::{step}]",
        "sum": f"total = {step}\n    for one in {noun}:\n        total += one\n    return total",
        "join": f'return ", ".join(str(one) for one in {noun}[:{limit}])',
    }[verb]
    ask = f"Write a Python function {verb}_{noun} with the constants {limit} and {step}."
    if language == "zh":
        ask = f"用Python写一个函数{verb}_{noun}，常数用{limit}和{step}。"
    answer = f"```python\ndef {verb}_{noun}({noun}):\n    {body}\n```"
    return Sample((("user", ask), ("assistant", answer)), language, "code")


def letter(rng: random.Random, language: str) -> Sample:
    name, town = rng.choice(_NAMES), rng.choice(_TOWNS)
    order = rng.randint(10000, 99999)
    ask = f"Write a template letter to customers in {town} about late order {order}. Leave gaps."
    answer = (
        f"Dear [Customer Name],\n\nWe are sorry that order {order} has not reached you in {town} "
        f"yet. It left our warehouse on [Date] and should arrive soon.\n\nKind regards,\n{name}"
    )
    if language == "zh":
        ask = f"请为{town}的客户写一封道歉信模板，说明订单{order}延误，姓名处留空。"
        late = f"很抱歉，您在{town}的订单{order}未能按时送达，预计[日期]送到。"
        answer = f"尊敬的[客户姓名]：\n\n{late}\n\n此致\n{name}"
    return Sample((("user", ask), ("assistant", answer)), language, "letter")


def short(rng: random.Random, language: str) -> Sample:
    number = rng.randint(1000, 99999)
    ask, answer = rng.choice(
        (
            (f"Is {number} even or odd?", "Odd." if number % 2 else "Even."),
            (f"How many digits has {number}?", str(len(str(number)))),
            (f"Write {number} in hexadecimal.", f"{number:X}"),
            (f"What is the last digit of {number}?", str(number % 10)),
        )
    )
    if language == "zh":
        ask, answer = f"{number}是奇数还是偶数？", "奇数" if number % 2 else "偶数"
    return Sample((("user", ask), ("assistant", answer)), language, "short")


def translation(rng: random.Random, language: str) -> Sample:
    name, town, hour = rng.choice(_NAMES), rng.choice(_TOWNS), rng.randint(1, 12)
    bus = rng.randint(2, 499)
    english = f"{name} takes bus {bus} from {town} at {hour} o'clock."
    chinese = f"{name}{hour}点从{town}乘坐{bus}路公交车。"
    german = f"{name} nimmt um {hour} Uhr den Bus {bus} ab {town}."
    if language == "zh":
        return Sample(
            (("user", f"把下面的句子译成英文：{chinese}"), ("assistant", english)),
            "zh",
            "translation",
        )
    ask, answer = rng.choice((("Chinese", chinese), ("German", german)))
    turns = (("user", f"Translate into {ask}: {english}"), ("assistant", answer))
    return Sample(turns, "en", "translation")


def html(rng: random.Random, language: str) -> Sample:
    topic, facts = _pick(rng, language, 2)
    colour = "#" + "".join(rng.choices("0123456789abcdef", k=6))
    ask = f"Show HTML for a page about {topic} with the heading in {colour}."
    if language == "zh":
        ask = f"请写一段关于{topic}的HTML网页，标题颜色{colour}。"
    page = "".join(f"\n  <li>{fact}</li>" for fact in facts)
    answer = f'```html\n<h1 style="color: {colour}">{topic}</h1>\n<ul>{page}\n</ul>\n```'
    return Sample((("user", ask), ("assistant", answer)), language, "html")


def source(rng: random.Random, language: str) -> Sample:
    topic, facts = _pick(rng, language, 2)
    major, minor = rng.randint(1, 9), rng.randint(0, 40)
    page = f"https://docs.{code(rng, 6).lower()}.example/guide"
    ask = f"State two facts on {topic} and cite the handbook, edition {major}.{minor}."
    answer = f"{facts[0]} {facts[1]} (Handbook {major}.{minor}, {page})"
    if language == "zh":
        ask = f"关于{topic}说两点，并注明手册第{major}.{minor}版的出处。"
        answer = f"{facts[0]}{facts[1]}（手册{major}.{minor}版，{page}）"
    return Sample((("user", ask), ("assistant", answer)), language, "source", topic)


KINDS: tuple[Callable[[random.Random, str], Sample], ...] = (
    *(explain, explain, explain, explain, listing, listing, summary, chat, chat),
    *(maths, as_json, python, letter, short, translation, html, source),
)


def healthy(rng: random.Random) -> Sample:
    return rng.choice(KINDS)(rng, rng.choice(("en", "zh")))
