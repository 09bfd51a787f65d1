"""Forms of rows beyond plain chat: preference pairs, tools, judged answers, passages, text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.data.read import parse_file, read_data, read_rows
from engine.data.rows import DataFile, Message, Row
from engine.errors import TailfinError

ASK = {"role": "user", "content": "How warm is it in Oslo?"}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "c1",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
        }
    ],
}
TOLD = {"role": "tool", "tool_call_id": "c1", "content": "4 degrees"}
SAID = {"role": "assistant", "content": "Four degrees."}
TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
GOOD = {"role": "assistant", "content": "Blue."}
BAD = {"role": "assistant", "content": "Banana."}
SKY = {"role": "user", "content": "What colour is the sky?"}


def _read(tmp_path: Path, rows: Sequence[Mapping[str, Any]], **options: Any) -> DataFile:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_data(path, **options)


def _turns(row: Row) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in row.messages]


def test_a_call_of_a_tool_is_kept_with_its_arguments(tmp_path: Path) -> None:
    rows = [{"messages": [ASK, CALL, TOLD, SAID], "tools": [TOOL]}]
    (row,) = _read(tmp_path, rows).rows
    assert [m.role for m in row.messages] == ["user", "assistant", "tool", "assistant"]
    (call,) = json.loads(row.messages[1].tool_calls)
    assert call["function"] == {"name": "weather", "arguments": {"city": "Oslo"}}
    assert json.loads(row.tools) == [{"type": "function", "function": TOOL}]


def test_sharegpt_calls_and_tools_as_text_say_the_same(tmp_path: Path) -> None:
    turns = [
        {"from": "human", "value": ASK["content"]},
        {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Oslo"}}'},
        {"from": "observation", "value": "4 degrees"},
        {"from": "gpt", "value": "Four degrees."},
    ]
    (theirs,) = _read(tmp_path, [{"conversations": turns, "tools": json.dumps([TOOL])}]).rows
    (ours,) = _read(tmp_path, [{"messages": [ASK, CALL, TOLD, SAID], "tools": [TOOL]}]).rows
    assert (_turns(theirs), theirs.tools) == (_turns(ours), ours.tools)
    assert (
        json.loads(theirs.messages[1].tool_calls)[0]["function"]
        == json.loads(ours.messages[1].tool_calls)[0]["function"]
    )


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ([ASK, CALL, SAID], "a call of a tool that no tool answers"),
        ([ASK, SAID, TOLD, SAID], "a tool speaks that was not called"),
        ([ASK, CALL, TOLD, ASK, SAID], "a user turn right after a tool"),
        (
            [ASK, {**CALL, "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}, SAID],
            "arguments that are no JSON",
        ),
    ],
)
def test_broken_calls_are_named(tmp_path: Path, turns: list[Any], said: str) -> None:
    data = _read(tmp_path, [{"messages": [ASK, SAID]}, {"messages": turns}])
    assert len(data.rows) == 1
    assert said in data.problems[0].message and "line 2" in data.problems[0].message


def test_a_developer_speaks_as_the_system(tmp_path: Path) -> None:
    (row,) = _read(
        tmp_path, [{"messages": [{"role": "developer", "content": "s"}, ASK, SAID]}]
    ).rows
    assert row.messages[0] == Message("system", "s")


def test_parts_of_text_are_joined_and_images_named(tmp_path: Path) -> None:
    text = {
        "role": "user",
        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
    }
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
    data = _read(tmp_path, [{"messages": [text, SAID]}, {"messages": [image, SAID]}])
    assert data.rows[0].messages[0].content == "ab"
    (problem,) = data.problems
    assert problem.id == "data.not-text" and "'image_url'" in problem.message


PAIRS: list[dict[str, Any]] = [
    {"prompt": SKY["content"], "chosen": "Blue.", "rejected": "Banana."},
    {"prompt": [SKY], "chosen": [GOOD], "rejected": [BAD]},
    {"chosen": [SKY, GOOD], "rejected": [SKY, BAD]},
    {"prompt": SKY["content"], "chosen": [SKY, GOOD], "rejected": [SKY, BAD]},
    {
        "chosen": "\n\nHuman: What colour is the sky?\n\nAssistant: Blue.",
        "rejected": "\n\nHuman: What colour is the sky?\n\nAssistant: Banana.",
    },
    {
        "prompt": "\n\nHuman: What colour is the sky?\n\nAssistant:",
        "chosen": " Blue.",
        "rejected": " Banana.",
    },
]


@pytest.mark.parametrize("row", PAIRS)
def test_every_form_of_a_pair_is_the_same_row(tmp_path: Path, row: dict[str, Any]) -> None:
    data = _read(tmp_path, [row])
    assert data.layout == "preference"
    (found,) = data.rows
    assert [(r, c.strip()) for r, c in _turns(found)] == [
        ("user", "What colour is the sky?"),
        ("assistant", "Blue."),
    ]
    assert [(m.role, m.content.strip()) for m in found.rejected] == [("assistant", "Banana.")]
    assert [problem.id for problem in data.problems] == ["data.rejected-answers"]


def test_a_pair_about_two_questions_is_a_fault(tmp_path: Path) -> None:
    data = _read(tmp_path, [PAIRS[2], {"chosen": [SKY, GOOD], "rejected": [ASK, BAD]}])
    assert len(data.rows) == 1
    assert data.problems[0].id == "data.pair-differs"


def test_unwanted_answers_are_left_out_and_a_class_is_no_verdict(tmp_path: Path) -> None:
    row = {"prompt": "a", "completion": "b"}
    data = _read(tmp_path, [{**row, "label": True}, {**row, "label": False}])
    assert data.layout == "judged" and len(data.rows) == 1
    assert data.problems[0].id == "data.unwanted-answer"
    assert _read(tmp_path, [{**row, "label": "sport"}]).layout == "prompt_completion"


@pytest.mark.parametrize(
    "answers",
    [{"text": ["Oslo"], "answer_start": [3]}, [{"text": "Oslo", "answer_start": 3}], ["Oslo"]],
)
def test_a_question_about_a_passage(tmp_path: Path, answers: object) -> None:
    row = {"context": "Norway's capital is Oslo.", "question": "Which city?", "answers": answers}
    data = _read(tmp_path, [row, {**row, "answers": {"text": [], "answer_start": []}}])
    assert data.layout == "squad"
    assert _turns(data.rows[0]) == [
        ("user", "Norway's capital is Oslo.\n\nWhich city?"),
        ("assistant", "Oslo"),
    ]
    assert data.problems[0].id == "data.no-known-answer"


def test_plain_text_can_be_looked_at_and_not_be_trained(tmp_path: Path) -> None:
    with pytest.raises(TailfinError, match="plain text") as caught:
        _read(tmp_path, [{"text": "Once upon a time."}])
    assert caught.value.error_id == "data.plain-text"
    data = read_rows(parse_file(tmp_path / "rows.jsonl"), plain_text=True)
    assert _turns(data.rows[0]) == [("assistant", "Once upon a time.")]


def test_rendered_text_beside_its_parts_is_no_second_reading(tmp_path: Path) -> None:
    row = {"instruction": "a", "input": "", "output": "b", "text": "### a ### b"}
    assert _read(tmp_path, [row]).layout == "alpaca"
