"""What goes wrong without a word elsewhere is named before training, or cannot happen.

The cases are the silent failures that were reproduced with TRL 1.16 on common templates.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trl import SFTConfig

from engine.data.read import read_data
from engine.errors import TailfinError
from engine.spec import Spec
from engine.worker.arguments import sft_arguments
from engine.worker.data_report import report
from engine.worker.token_view import view
from tests.worker.test_tokens import CHATML, family
from tests.worker.tiny_tokenizer import byte_tokenizer

QUESTION = {"role": "user", "content": "What is the capital of France?"}
ANSWER = {"role": "assistant", "content": "It is Paris."}


def spec(
    folder: Path, *records: dict[str, Any], template: str = CHATML, bos: bool = False, **data: Any
) -> Spec:
    byte_tokenizer(template, adds_bos=bos).save_pretrained(folder / "model")
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    told = {"model": {"path": str(folder / "model")}, "data": {"path": str(path), **data}}
    return Spec.model_validate(told)


def named(given: Spec) -> dict[str, str]:
    return {finding.id: finding.severity for finding in report(given).findings}


def trained_text(given: Spec) -> str:
    [row] = view(given, worst=1).rows
    return "".join(piece.text for piece in row.pieces if piece.state == "trained")


@pytest.mark.parametrize("template", ["qwen2_5", "qwen3", "llama3", "phi3", "gemma3"])
def test_sharegpt_roles_are_trained_as_turns(tmp_path: Path, template: str) -> None:
    turns = [{"from": "human", "value": QUESTION["content"]}, {"from": "gpt", "value": "Paris."}]
    given = spec(tmp_path, {"conversations": turns}, template=family(template))
    [row] = view(given, worst=1).rows
    whole = "".join(piece.text for piece in row.pieces)
    assert QUESTION["content"] in whole and "human" not in whole
    assert "Paris." in trained_text(given) and QUESTION["content"] not in trained_text(given)


def test_questions_are_not_trained(tmp_path: Path) -> None:
    given = spec(
        tmp_path, {"messages": [{"role": "system", "content": "Be kind."}, QUESTION, ANSWER]}
    )
    assert trained_text(given) == "It is Paris.<|im_end|>"


def test_rows_whose_prompt_fills_the_length_stop_the_run(tmp_path: Path) -> None:
    long = {"messages": [{"role": "user", "content": "x " * 200}, ANSWER]}
    for packing in (False, True):
        given = spec(tmp_path, long, max_length=64, packing=packing)
        assert named(given)["data.untrained-rows"] == "fail"
    assert view(given, worst=1).num_untrained == 1


def test_answers_whose_end_is_cut_stop_the_run(tmp_path: Path) -> None:
    long = {"messages": [QUESTION, {"role": "assistant", "content": "y " * 200}]}
    found = named(spec(tmp_path, long, max_length=64))
    assert (found["data.eos-untrained"], found["data.cut-answers"]) == ("fail", "warn")


def test_a_stray_text_column_takes_no_end_away(tmp_path: Path) -> None:
    record = {"prompt": "2 + 2?", "completion": "4", "text": "2 + 2? 4"}
    try:
        told = trained_text(spec(tmp_path, record))
    except TailfinError as error:
        assert "text" in error.message + error.hint  # two readings: asked, not guessed
    else:
        assert told == "4<|im_end|>"


def test_a_doubled_begin_token_is_named(tmp_path: Path) -> None:
    given = spec(tmp_path, {"messages": [QUESTION, ANSWER]}, template="<s><s>" + CHATML, bos=True)
    assert named(given)["data.double-bos"] == "warn"
    single = spec(tmp_path, {"messages": [QUESTION, ANSWER]}, template="<s>" + CHATML, bos=True)
    assert "data.double-bos" not in named(single)


def test_packing_never_cuts_within_a_row(tmp_path: Path) -> None:
    given = spec(tmp_path, {"messages": [QUESTION, ANSWER]}, packing=True)
    arguments = sft_arguments(
        given, output_dir=tmp_path, max_length=64, has_eval=False, resuming=False,
        dtype="float32", on_gpu=False,
    )  # fmt: skip
    assert SFTConfig(**arguments).packing_strategy == "bfd"


def test_thoughts_that_a_template_drops_are_named(tmp_path: Path) -> None:
    thought = {"role": "assistant", "content": "<think>It is in Europe.</think>It is Paris."}
    record = {"messages": [QUESTION, thought, QUESTION, ANSWER]}
    assert named(spec(tmp_path, record, template=family("qwen3")))["data.dropped-text"] == "warn"


def test_a_thought_block_that_a_template_adds_is_shown(tmp_path: Path) -> None:
    given = spec(tmp_path, {"messages": [QUESTION, ANSWER]}, template=family("qwen3"))
    [row] = view(given, worst=1).rows
    assert any(piece.text == "<think>" for piece in row.pieces)


def test_stop_tokens_within_answers_are_named(tmp_path: Path) -> None:
    stopped = {"messages": [QUESTION, {"role": "assistant", "content": "It<|im_end|> is."}]}
    assert named(spec(tmp_path, stopped))["data.control-tokens"] == "warn"
    assert named(spec(tmp_path, *[stopped] * 9))["data.control-tokens"] == "fail"


@pytest.mark.parametrize(
    "turns",
    [
        [ANSWER, QUESTION, ANSWER],
        [QUESTION, QUESTION, ANSWER],
        [QUESTION, ANSWER, QUESTION],
        [QUESTION, {"role": "assistant", "content": ""}],
        [QUESTION],
    ],
    ids=["answer first", "two questions", "ends on a question", "empty answer", "no answer"],
)
def test_faults_of_roles_are_named(tmp_path: Path, turns: list[dict[str, str]]) -> None:
    given = spec(tmp_path, {"messages": [QUESTION, ANSWER]}, {"messages": turns})
    problems = read_data(given.data.path).problems
    assert any(p.severity in ("warn", "fail") and "2" in p.message for p in problems)


def test_a_default_system_prompt_is_named(tmp_path: Path) -> None:
    given = spec(tmp_path, {"messages": [QUESTION, ANSWER]}, template=family("qwen2_5"))
    told = report(given).findings
    assert any("system" in finding.message for finding in told)


def test_a_line_break_behind_the_end_is_no_missing_end(tmp_path: Path) -> None:
    given = spec(tmp_path, {"messages": [QUESTION, ANSWER]})
    [row] = view(given, worst=1).rows
    assert row.pieces[-1].text == "\n" and row.end == "trained"
    assert not {"data.eos-untrained", "data.eos-missing"} & set(named(given))


def test_rows_of_two_layouts_are_told_before_training(tmp_path: Path) -> None:
    given = spec(tmp_path, {"messages": [QUESTION, ANSWER]}, {"prompt": "a", "completion": "b"})
    try:
        problems = read_data(given.data.path).problems
    except TailfinError as error:
        assert "layout" in error.message or "messages" in error.message
    else:
        assert any(problem.severity == "fail" for problem in problems)


def test_the_prompt_as_served_begins_the_row(tmp_path: Path) -> None:
    given = spec(tmp_path, {"messages": [QUESTION, ANSWER]})
    assert view(given, worst=1).rows[0].is_served_alike
    other = CHATML.replace("{{ '<|im_start|>assistant\n' }}", "{{ '<|im_start|>bot\n' }}")
    try:
        [row] = view(spec(tmp_path, {"messages": [QUESTION, ANSWER]}, template=other), worst=1).rows
    except TailfinError:
        return  # refused before anything is shown
    assert not row.is_served_alike


def test_lines_that_hold_no_row_are_refused(tmp_path: Path) -> None:
    given = spec(tmp_path, {"messages": [QUESTION, ANSWER]})
    assert view(given, lines=[1]).rows[0].line == 1
    with pytest.raises(TailfinError, match="line 7"):
        view(given, lines=[7])
