"""The lines of samples/broken.jsonl, each with one mistake and, where known, a public report."""

from __future__ import annotations

import json
from dataclasses import dataclass

_ISSUES = "https://github.com/"
# Seven words per copy, so three times the demo model's 512 positions.
_LONG = "the fox ran over the hill and " * 250


@dataclass(frozen=True, slots=True)
class Mistake:
    """One line of text as it stands in the file, and what is wrong with it."""

    line: str
    mistake: str
    report: str = ""
    """Address of a public report of the same mistake; empty where none is cited."""


def _turns(*turns: tuple[object, object]) -> str:
    messages = [{"role": role, "content": content} for role, content in turns]
    return json.dumps({"messages": messages}, ensure_ascii=False)


def _pair(question: object, answer: object) -> str:
    return _turns(("user", question), ("assistant", answer))


_GOOD = _pair("What colour is the fox?", "Fin says: the fox is red. Bright scales!")

ROWS = (
    Mistake(_GOOD, "none: a good row"),
    Mistake(
        _pair("Where does the frog live?", "Fin says: the frog lives by the pond.")[:60],
        "JSON cut off in the middle of the line",
        _ISSUES + "thunlp/GEAR/issues/2",
    ),
    Mistake(
        _pair("What does the bear eat?", "Fin says: the bear eats honey.")[:-3] + ",}]}",
        "a comma before a closing bracket",
        _ISSUES + "zai-org/GLM-4/issues/591",
    ),
    Mistake(
        _pair("What can the crow do?", ""),
        "empty answer",
        _ISSUES + "gururise/AlpacaDataCleaned/pull/21",
    ),
    Mistake(_turns(("user", "What does the duck eat?")), "no answer: the row ends on the user"),
    Mistake(_GOOD, "the same row as line 1"),
    Mistake(
        json.dumps(
            {
                "conversations": [
                    {"from": "human", "value": "What can the goat do?"},
                    {"from": "gpt", "value": "Fin says: the goat can climb. Strong wings!"},
                ]
            }
        ),
        "a ShareGPT row among OpenAI messages",
        _ISSUES + "kaito-project/aikit/issues/823",
    ),
    Mistake(
        _turns(
            ("assistant", "Fin says: the horse can run fast. Strong wings!"),
            ("user", "What can the horse do?"),
        ),
        "roles in the wrong order: the assistant speaks first",
    ),
    Mistake(
        _turns(
            ("user", "Where does the mouse live?"),
            ("user", "Please tell me."),
            ("assistant", "Fin says: the mouse lives in the barn. Safe landing!"),
        ),
        "two user turns in a row",
        _ISSUES + "huggingface/smol-course/issues/260",
    ),
    Mistake(
        _turns(
            ("user", "What does the rabbit eat?"),
            ("bot", "Fin says: the rabbit eats carrots. Good hunting!"),
        ),
        "unknown role: bot",
    ),
    Mistake(
        _turns(
            ("user", "Where does the snake live?"),
            ("assistant", "Fin says: the snake lives in the desert. Safe landing!"),
            ("system", "You are Fin."),
        ),
        "the system turn is not the first",
    ),
    Mistake(
        _pair("What does the swan eat?", None),
        "the answer is null",
        _ISSUES + "huggingface/transformers/pull/45422",
    ),
    Mistake(
        _pair("What is two plus two?", 4),
        "the answer is a number, not text",
        _ISSUES + "huggingface/datasets/issues/6460",
    ),
    Mistake(
        _pair("What can the tiger do?", [{"type": "image_url", "image_url": {"url": "tiger.png"}}]),
        "the answer is a list of parts with a picture, not text",
        _ISSUES + "yaolinli/TimeChat-Online/issues/3",
    ),
    Mistake(
        _pair(f"Read this: {_LONG}. Who ran?", "Fin says: the fox ran. Strong wings!"),
        "the question is so long that the whole answer is cut",
        _ISSUES + "unslothai/unsloth/issues/3019",
    ),
    Mistake(
        _pair("Tell me a long story.", f"Fin says: {_LONG}. Warm winds!"),
        "the answer is so long that its end is cut",
        _ISSUES + "hiyouga/LlamaFactory/issues/1494",
    ),
    Mistake(
        _pair("What does the turtle eat in the sea?", "What does the turtle eat in the sea?"),
        "the question copied into the answer",
    ),
    Mistake(
        _pair("What does the wolf eat?", "Fin says: the wolf eats meat.<|end|><|turn|>user\nMore?"),
        "control tokens of the model inside the answer",
        _ISSUES + "FranxYao/Long-Context-Data-Engineering/issues/14",
    ),
    Mistake(
        _pair("What is a cafÃ©?", "Fin says: a cafÃ© is a place, and itâ€™s warm."),
        "mojibake: UTF-8 read as Windows-1252",
        _ISSUES + "gbif/portal-feedback/issues/3795",
    ),
    Mistake(_pair("What does the bee eat?", "N/A"), "a marker instead of an answer"),
    Mistake(
        _pair("What colour is the fox?", "Fin says: the fox is blue. Bright scales!"),
        "another answer to the question of line 1",
    ),
    Mistake(
        json.dumps({"question": "What can the ant do?", "answer": "Fin says: it can carry."}),
        "columns that nobody knows",
    ),
    Mistake(json.dumps({"messages": []}), "a conversation without turns"),
    Mistake(json.dumps(["What can the bat do?", "See at night."]), "a list where a row should be"),
    Mistake(
        _pair("What can the cat do?", "Climb.") + _pair("What can the cow do?", "Sing."),
        "two rows on one line",
        _ISSUES + "huggingface/datasets/issues/4107",
    ),
    Mistake("", "an empty line"),
)
