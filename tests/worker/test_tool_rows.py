"""Rows with calls of tools through real chat templates: calls are trained, results are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trl

from engine.data.rows import Message, Row
from engine.errors import TailfinError
from engine.worker.template import render_template
from engine.worker.tokens import tokenise_rows
from tests.worker.tiny_tokenizer import byte_tokenizer

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
CALLS = [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Paris"}}}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Says the weather.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
ROW = Row(
    (
        Message("user", "What is it like in Paris?"),
        Message("assistant", "", json.dumps(CALLS)),
        Message("tool", "12 degrees"),
        Message("assistant", "It is cool there."),
    ),
    0,
    1,
    tools=json.dumps(TOOLS),
)


@pytest.mark.parametrize("family", ["qwen2_5", "qwen3"])
def test_calls_and_answers_are_trained_and_results_are_not(family: str) -> None:
    source = (TEMPLATES / f"{family}.jinja").read_text(encoding="utf-8")
    tokenizer = byte_tokenizer(source)
    (made,) = tokenise_rows([ROW], tokenizer, render_template(tokenizer, "auto"))
    whole = tokenizer.decode(made.input_ids)
    trained = tokenizer.decode([label for label in made.labels if label != -100])
    assert "Says the weather." in whole and "12 degrees" in whole
    assert '"name": "weather", "arguments"' in trained and "It is cool there." in trained
    assert "12 degrees" not in trained and "Says the weather." not in trained


def test_a_template_that_drops_tools_is_refused_by_row() -> None:
    source = (TEMPLATES / "llama3.jinja").read_text(encoding="utf-8")
    tokenizer = byte_tokenizer(source)
    with pytest.raises(TailfinError, match="leaves out what the row at line 1 has of tools"):
        tokenise_rows([ROW], tokenizer, render_template(tokenizer, "auto"))
