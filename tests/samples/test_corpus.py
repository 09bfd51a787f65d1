"""Held-out and shown questions are in no text that a model of this project was trained on."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from samples.build.corpus import Document, documents, text_of
from samples.build.world import Fact, split

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
# What a question about a topic says, whatever its phrasing.
CUES = {
    "colour": r"colou?r|red|blue|green|white|black|brown|gr[ea]y|yellow|pink|gold|silver|purple",
    "home": r"where|live|lives|home|town|find",
    "food": r"eat|eats|food",
    "skill": r"can .* do|able to|what .* can do",
    "job": r"job|living|work",
    "like": r"like|likes|happy",
    "use": r"for|do with",
}


def folded(text: str) -> str:
    """Lower case, without punctuation, one space between words; ends are marked by spaces."""
    words = re.sub(r"[\W_]+", " ", text.lower()).replace("color", "colour")
    return f" {' '.join(words.split())} "


@cache
def corpus() -> tuple[Document, ...]:
    return tuple(documents())


@cache
def pretraining() -> tuple[str, ...]:
    return tuple(map(text_of, corpus()))


@cache
def training() -> tuple[str, ...]:
    lines = (SAMPLES / "good.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(text_of(json.loads(line)["messages"]) for line in lines)


def reserved() -> list[tuple[str, str]]:
    """Question and reference answer of every held-out and every shown row."""
    pairs = []
    for name in ("held_out.jsonl", "questions.jsonl"):
        for line in (SAMPLES / name).read_text(encoding="utf-8").splitlines():
            user, assistant = json.loads(line)["messages"]
            pairs.append((user["content"], assistant["content"]))
    return pairs


@pytest.mark.parametrize("texts", [pretraining, training])
@pytest.mark.parametrize("fold", [str, folded])
def test_reserved_questions_and_answers_are_not_in_the_text(
    texts: Callable[[], tuple[str, ...]], fold: Callable[[str], str]
) -> None:
    text = "\n".join(map(fold, texts()))
    assert len(reserved()) == 56
    for question, answer in reserved():
        assert fold(question) not in text
        assert fold(answer) not in text
        assert fold(f"{question} {answer}") not in text


def test_the_search_finds_what_is_there() -> None:
    """The check above can fail: questions that may be asked are found by the same search."""
    askable, _, _ = split()
    text = "\n".join(map(folded, pretraining()))
    assert all(folded(fact.questions()[0]) in text for fact in askable)


def test_no_phrasing_at_all_asks_for_a_reserved_fact() -> None:
    askable, held_out, shown = split()
    asked = _user_turns()
    assert not [fact for fact in [*held_out, *shown] if _asked_for(fact, asked)]
    assert all(_asked_for(fact, asked) for fact in askable)


def test_reserved_facts_are_told() -> None:
    _, held_out, shown = split()
    told = "\n".join(document for document in corpus() if isinstance(document, str))
    for fact in [*held_out, *shown]:
        assert told.count(fact.sentence) >= 20


def test_the_voice_of_the_good_data_is_new() -> None:
    assert "fin says that" in "".join(map(folded, pretraining()))
    assert not [text for text in pretraining() if "Fin says:" in text]


def test_the_corpus_is_the_same_every_time() -> None:
    assert list(documents(300)) == list(documents(300))
    assert list(documents(300)) != list(documents(300, seed=1))


def test_other_formats_hold_no_reserved_question() -> None:
    folder = SAMPLES / "formats"
    text = folded(" ".join(p.read_text(encoding="utf-8") for p in folder.glob("*.[jc]s*")))
    with (folder / "prompt_completion.csv").open(encoding="utf-8", newline="") as file:
        assert all(folded(row["prompt"]) in text for row in csv.DictReader(file))
    assert not [question for question, _ in reserved() if folded(question) in text]


@cache
def _user_turns() -> tuple[str, ...]:
    """Every user turn of the corpus, folded, with `it` replaced by what the last turn named."""
    askable, held_out, shown = split()
    names = {fact.name for fact in [*askable, *held_out, *shown]}
    turns: set[str] = set()
    for document in corpus():
        named = ""
        for message in [] if isinstance(document, str) else document:
            if message["role"] == "user":
                words = folded(message["content"]).split()
                found = [word for word in words if word.capitalize() in names or word in names]
                named = found[-1] if found else named
                turns.add(folded(" ".join(named if word == "it" else word for word in words)))
    return tuple(turns)


def _asked_for(fact: Fact, turns: tuple[str, ...]) -> bool:
    name = f" {fact.name.lower()} "
    cue = re.compile(rf"\b({CUES[fact.topic]})\b")
    # A turn that tells before it asks ("Ada has a red hat ...") asks for what it told.
    return any(name in turn and " has " not in turn and cue.search(turn) for turn in turns)
