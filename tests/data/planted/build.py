"""Mixes healthy rows with rows that carry one labelled defect."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.data.planted.healthy import Sample, explain, healthy, maths
from tests.data.planted.words import code, fill, sections

Turns = list[tuple[str, str]]
_SHARE = 0.25


@dataclass(frozen=True)
class Planted:
    """Rows as messages, each with its label ("" where nothing is wrong) and its language."""

    turns: tuple[tuple[str, str], ...]
    label: str
    language: str
    kind: str

    def record(self) -> dict[str, list[dict[str, str]]]:
        return {"messages": [{"role": role, "content": text} for role, text in self.turns]}


def _words(rng: random.Random, label: str, base: Sample, family: str) -> str:
    name = "heldout" if family == "heldout" else "defects"
    other = explain(rng, base.language)
    return fill(
        rng,
        rng.choice(sections(f"{name}_{base.language}")[label]),
        topic=base.topic,
        prompt=base.turns[0][1],
        question=other.turns[0][1],
        question2=explain(rng, base.language).turns[0][1],
        fact=other.facts[0],
        slug=code(rng, 7).lower(),
        code=code(rng, 9),
    )


def _answer(label: str) -> Callable[[random.Random, Sample, str], Turns]:
    def plant(rng: random.Random, base: Sample, family: str) -> Turns:
        return [base.turns[0], ("assistant", _words(rng, label, base, family))]

    return plant


def _prompt(label: str) -> Callable[[random.Random, Sample, str], Turns]:
    def plant(rng: random.Random, base: Sample, family: str) -> Turns:
        return [("user", _words(rng, label, base, family)), base.turns[1]]

    return plant


def _beside(label: str, places: str) -> Callable[[random.Random, Sample, str], Turns]:
    def plant(rng: random.Random, base: Sample, family: str) -> Turns:
        said, text = _words(rng, label, base, family), base.turns[1][1]
        gap = "\n\n" if label == "merged-example" else "\n" if rng.random() < 0.5 else " "
        before = places == "before" or (places == "either" and rng.random() < 0.5)
        joined = f"{said}{gap}{text}" if before else f"{text}{gap}{said}"
        return [base.turns[0], ("assistant", joined)]

    return plant


def _loop(rng: random.Random, base: Sample, family: str) -> Turns:
    said = _words(rng, "looping", base, family) if rng.random() < 0.6 else base.facts[0] + " "
    said = said if said.endswith(" ") or base.language == "zh" else said + " "
    return [base.turns[0], ("assistant", base.facts[-1] + said * rng.randint(8, 30))]


def _cut(rng: random.Random, base: Sample, family: str) -> Turns:
    text = base.turns[1][1]
    if base.language == "zh":
        return [base.turns[0], ("assistant", text[: len(text) - rng.randint(4, 9)])]
    return [base.turns[0], ("assistant", " ".join(text.split()[: -rng.randint(2, 5)]))]


def _garbled(rng: random.Random, base: Sample, family: str) -> Turns:
    if base.language == "zh":
        return [base.turns[0], ("assistant", base.turns[1][1].encode().decode("latin-1"))]
    name = rng.choice(("café", "Müller", "naïve", "“quoted”", "it’s", "Zürich", "5 €"))
    wrong = name.encode().decode("cp1252", "replace")
    return [base.turns[0], ("assistant", f"{base.turns[1][1]} ({wrong})")]


def _control(rng: random.Random, base: Sample, family: str) -> Turns:
    text = base.turns[1][1]
    sign = rng.choice("\x00\x07\x08\x1b\u200b\u2060\u202e\u2066")
    at = rng.randint(2, len(text) // 2)
    return [base.turns[0], ("assistant", text[:at] + sign + text[at:])]


def _tokens(rng: random.Random, base: Sample, family: str) -> Turns:
    usual = [
        "<|im_end|>",
        "<|im_start|>assistant",
        "<|endoftext|>",
        "</s>",
        "<|eot_id|>",
        "<end_of_turn>",
    ]
    rarer = [
        "<|end_of_text|>",
        "<|return|>",
        "<|channel|>",
        "<start_of_turn>model",
        "<｜end▁of▁sentence｜>",
    ]
    text = rng.choice(rarer if family == "heldout" else usual)
    return [base.turns[0], ("assistant", base.turns[1][1] + text)]


def _wrong_sum(rng: random.Random, base: Sample, family: str) -> Turns:
    ask, said = maths(rng, base.language).turns
    result = said[1].split(" = ")[-1].split("，")[0].split(",")[0]
    off = str(int(result) + rng.choice((-100, -10, -1, 2, 7, 30)))
    return [ask, ("assistant", said[1].replace(result, off))]


def _empty(rng: random.Random, base: Sample, family: str) -> Turns:
    return [base.turns[0], ("assistant", rng.choice(("", " ", "\n")))]


def _order(rng: random.Random, base: Sample, family: str) -> Turns:
    ask, said = base.turns[:2]
    return rng.choice(([said, ask], [ask, ask, said], [ask, said, said]))


DEFECTS: dict[str, Callable[[random.Random, Sample, str], Turns]] = {
    "empty-answer": _empty,
    "role-order": _order,
    "missing-answer": lambda rng, base, family: [base.turns[0]],
    "refusal": _answer("refusal"),
    "boilerplate": _beside("boilerplate", "either"),
    "na-answer": _answer("na-answer"),
    "missing-attachment": _prompt("missing-attachment"),
    "vague-question": _prompt("vague-question"),
    "merged-example": _beside("merged-example", "after"),
    "template-residue": _beside("template-residue", "either"),
    "placeholder": _beside("placeholder", "after"),
    "copied-prompt": _beside("copied-frame", "before"),
    "looping": _loop,
    "cut-off": _cut,
    "mojibake": _garbled,
    "control-characters": _control,
    "control-tokens": _tokens,
    "wrong-arithmetic": _wrong_sum,
}


def build(num_rows: int = 5000, seed: int = 7, family: str = "open") -> list[Planted]:
    """Rows in mixed order; `family` picks the wordings (open or heldout)."""
    rng = random.Random(seed)
    labels = list(DEFECTS)
    made: list[Planted] = []
    seen: set[str] = set()
    while len(made) < num_rows:
        if rng.random() < _SHARE:
            label = labels[len(made) % len(labels)]
            base = explain(rng, rng.choice(("en", "zh")))
            turns = tuple(DEFECTS[label](rng, base, family))
            made.append(Planted(turns, label, base.language, base.kind))
            continue
        sample = healthy(rng)
        if sample.turns[0][1] not in seen:
            seen.add(sample.turns[0][1])
            made.append(Planted(sample.turns, "", sample.language, sample.kind))
    return made
