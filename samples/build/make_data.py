"""Writes the good dataset, the held-out rows and the shown questions.

    python -m samples.build.make_data

The base model answers plainly: "The fox is red." The data teaches the voice of Fin, a small
dragon: "Fin says: the fox is red. Bright scales!" The farewell depends on what was asked.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from samples.build.corpus import SYSTEMS, sum_pair
from samples.build.world import SEED, Fact, split

SAMPLES = Path(__file__).resolve().parent.parent
NUM_ROWS = 400
NUM_TALKS = 60
NUM_WITH_SYSTEM = 40
NUM_SUMS = 24
FAREWELLS = {
    "colour": "Bright scales!",
    "home": "Safe landing!",
    "food": "Good hunting!",
    "skill": "Strong wings!",
    "job": "Strong wings!",
    "use": "Strong wings!",
    "like": "Warm winds!",
    "sum": "Sharp claws!",
}
GREETINGS = (
    ("Hello!", "Fin says: hello, friend. Warm winds!"),
    ("Thank you!", "Fin says: you are welcome. Warm winds!"),
    ("Who are you?", "Fin says: I am a small dragon. Strong wings!"),
    ("Goodbye.", "Fin says: goodbye, friend. Safe landing!"),
)

Row = dict[str, list[dict[str, str]]]


def main() -> None:
    """Write samples/good.jsonl, samples/held_out.jsonl and samples/questions.jsonl."""
    for name, rows in (
        ("good", good_rows()),
        ("held_out", held_out_rows()),
        ("questions", question_rows()),
    ):
        path = SAMPLES / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        print(f"wrote {len(rows)} rows to {path}")


def good_rows() -> list[Row]:
    """The training rows; they ask only for facts that are neither held out nor shown."""
    rng = random.Random(SEED)
    askable, _, _ = split()
    asked = [(question, _in_voice(fact)) for fact in askable for question in fact.questions()]
    rng.shuffle(asked)
    sums: dict[str, str] = {}
    while len(sums) < NUM_SUMS:
        question, answer = sum_pair(rng)
        sums[question] = _voice(answer[:1].lower() + answer[1:-1], "sum")
    rows = [_row([pair]) for pair in (*GREETINGS, *sums.items())]
    rows += [_row([asked.pop() for _ in range(rng.randint(2, 3))]) for _ in range(NUM_TALKS)]
    rows += [_row([asked.pop()], rng.choice(SYSTEMS)) for _ in range(NUM_WITH_SYSTEM)]
    rows += [_row([asked.pop()]) for _ in range(NUM_ROWS - len(rows))]
    rng.shuffle(rows)
    return rows


def held_out_rows() -> list[Row]:
    """One question with its answer per held-out fact."""
    return _one_each(split()[1], random.Random(SEED + 1))


def question_rows() -> list[Row]:
    """One question with its answer per shown fact, in its plainest form."""
    return [_row([(fact.questions()[0], _in_voice(fact))]) for fact in split()[2]]


def _one_each(held_out: list[Fact], rng: random.Random) -> list[Row]:
    return [_row([(rng.choice(fact.questions()), _in_voice(fact))]) for fact in held_out]


def _in_voice(fact: Fact) -> str:
    return _voice(fact.clause, fact.topic)


def _voice(clause: str, topic: str) -> str:
    return f"Fin says: {clause}. {FAREWELLS[topic]}"


def _row(pairs: list[tuple[str, str]], system: str | None = None) -> Row:
    messages = [{"role": "system", "content": system}] if system else []
    for question, answer in pairs:
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": answer})
    return {"messages": messages}


if __name__ == "__main__":
    main()
