"""The tracked data files: what the scripts write, well formed, and saying what they should."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from samples.build.make_data import FAREWELLS, good_rows, held_out_rows, question_rows
from samples.build.world import split

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def rows(name: str) -> list[list[dict[str, str]]]:
    lines = (SAMPLES / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["messages"] for line in lines]


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("good.jsonl", good_rows()),
        ("held_out.jsonl", held_out_rows()),
        ("questions.jsonl", question_rows()),
    ],
)
def test_tracked_files_are_what_the_script_writes(
    name: str, made: list[dict[str, list[dict[str, str]]]]
) -> None:
    assert rows(name) == [row["messages"] for row in made]


def test_good_rows_are_clean() -> None:
    good = rows("good.jsonl")
    assert 300 <= len(good) <= 500
    for messages in good:
        roles = [message["role"] for message in messages]
        turns = roles[1:] if roles[0] == "system" else roles
        assert turns == ["user", "assistant"] * (len(turns) // 2) != []
        assert all(message["content"].strip() == message["content"] != "" for message in messages)
    asked = [m["content"] for messages in good for m in messages if m["role"] == "user"]
    assert len(set(asked)) == len(asked)


def test_every_answer_is_in_the_voice_of_fin() -> None:
    for name in ("good.jsonl", "held_out.jsonl", "questions.jsonl"):
        for messages in rows(name):
            for message in messages:
                if message["role"] == "assistant":
                    assert message["content"].startswith("Fin says: ")
                    assert message["content"].endswith(tuple(FAREWELLS.values()))


def test_the_farewell_follows_from_what_was_asked() -> None:
    askable, held_out, shown = split()
    farewell = {
        question: FAREWELLS[fact.topic]
        for fact in [*askable, *held_out, *shown]
        for question in fact.questions()
    }
    checked = 0
    for name in ("good.jsonl", "held_out.jsonl", "questions.jsonl"):
        for messages in rows(name):
            for user, assistant in pairwise(messages):
                if user["content"] in farewell:
                    assert assistant["content"].endswith(farewell[user["content"]])
                    checked += 1
    assert checked > 400


def test_formats_hold_the_same_pairs() -> None:
    folder = SAMPLES / "formats"
    good = rows("good.jsonl")
    expected = [(m[0]["content"], m[1]["content"]) for m in good if len(m) == 2][:20]

    alpaca = json.loads((folder / "alpaca.json").read_text(encoding="utf-8"))
    assert [(row["instruction"], row["output"]) for row in alpaca] == expected
    table = pq.read_table(folder / "prompt_completion.parquet").to_pylist()
    assert [(row["prompt"], row["completion"]) for row in table] == expected
    for name, (question, answer) in {
        "prompt_completion.csv": ("prompt", "completion"),
        "question_answer.csv": ("question", "answer"),
    }.items():
        with (folder / name).open(encoding="utf-8", newline="") as file:
            assert [(row[question], row[answer]) for row in csv.DictReader(file)] == expected

    assert rows("formats/messages.jsonl") == good[:20]
    lines = (folder / "sharegpt.jsonl").read_text(encoding="utf-8").splitlines()
    roles = {"human": "user", "gpt": "assistant", "system": "system"}
    assert [
        [{"role": roles[turn["from"]], "content": turn["value"]} for turn in row["conversations"]]
        for row in map(json.loads, lines)
    ] == good[:20]


def test_samples_stay_small() -> None:
    tracked = [p for p in SAMPLES.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    sizes = [path.stat().st_size for path in tracked]
    assert max(sizes) < 8_000_000
    assert sum(sizes) < 10_000_000
