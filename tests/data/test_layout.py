"""The layout is decided over all rows; mixtures and second readings stop with a way out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from engine.data.proposal import UnconfirmedMapping
from engine.data.read import read_data
from engine.errors import EXIT_USAGE, TailfinError

ALPACA = {"instruction": "a", "output": "b"}
PAIR = {"prompt": "a", "completion": "b"}
QA = {"question": "a", "answer": "b"}


def write(tmp_path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_mixture_lists_counts_and_first_lines(tmp_path: Path) -> None:
    path = write(tmp_path, [ALPACA, ALPACA, PAIR, ALPACA, QA])

    with pytest.raises(TailfinError) as caught:
        read_data(path)

    said = caught.value.message
    assert f"3 rows as alpaca (first at {path}:1)" in said
    assert f"1 row as prompt_completion (first at {path}:3)" in said
    assert f"1 row with columns 'answer', 'question' (first at {path}:5)" in said
    assert "--set data.format=alpaca --skip-bad-rows" in caught.value.hint


def test_null_fields_hide_no_stray_row(tmp_path: Path) -> None:
    """Parquet gives every row all columns, null where the row has none."""
    stray = {"instruction": None, "output": None, **PAIR}
    data = read_data(write(tmp_path, [ALPACA] * 9 + [stray]))

    assert [p.id for p in data.problems if p.severity == "fail"] == ["data.other-layout"]


def test_the_chosen_layout_reads_its_share_of_a_mixture(tmp_path: Path) -> None:
    data = read_data(write(tmp_path, [ALPACA, PAIR, ALPACA]), layout="alpaca")

    assert [row.line for row in data.rows] == [1, 3]
    assert [p.id for p in data.problems if p.severity == "fail"] == ["data.other-layout"]


def test_a_stray_row_is_a_fault_of_that_row(tmp_path: Path) -> None:
    data = read_data(write(tmp_path, [ALPACA] * 8 + [PAIR, QA]))

    assert (data.layout, len(data.rows)) == ("alpaca", 8)
    [problem] = data.problems
    assert (problem.id, problem.severity) == ("data.other-layout", "fail")
    assert "lines 9, 10: prompt_completion; columns 'answer', 'question'" in problem.message


def test_two_readings_are_never_guessed(tmp_path: Path) -> None:
    path = write(tmp_path, [ALPACA | PAIR | {"output": "c"}])

    with pytest.raises(TailfinError) as caught:
        read_data(path)

    assert "alpaca (instruction, output) and prompt_completion" in caught.value.message
    assert "--set data.format=alpaca or --set data.format=prompt_completion" in caught.value.hint
    assert read_data(path, layout="alpaca").rows[0].answer_text == "c"
    assert read_data(path, layout="prompt_completion").rows[0].answer_text == "b"


def test_fields_that_are_null_give_no_second_reading(tmp_path: Path) -> None:
    path = write(tmp_path, [{**ALPACA, "prompt": None, "completion": None, "messages": None}])

    assert read_data(path).layout == "alpaca"


def test_unknown_columns_are_proposed_and_confirmed(tmp_path: Path) -> None:
    path = write(tmp_path, [{"id": "7", "context": "c", **QA}])

    with pytest.raises(UnconfirmedMapping) as caught:
        read_data(path)

    proposal = caught.value.proposal
    assert proposal.columns == {"prompt": "question", "completion": "answer", "input": "context"}
    assert caught.value.exit_code == EXIT_USAGE
    assert (
        "--set data.columns.prompt=question --set data.columns.completion=answer"
        in caught.value.hint
    )
    assert proposal.toml.startswith('[data.columns]\nprompt = "question"\ncompletion = "answer"')
    assert proposal.example["prompt"] == "'a'"
    data = read_data(path, columns=proposal.columns)
    assert (data.layout, data.columns) == ("columns", proposal.columns)
    assert [m.content for m in data.rows[0].messages] == ["a\n\nc", "b"]


def test_two_text_columns_are_proposed_in_order(tmp_path: Path) -> None:
    with pytest.raises(UnconfirmedMapping) as caught:
        read_data(write(tmp_path, [{"left side": "a", "true": "b", "num": 3}]))

    proposal = caught.value.proposal
    assert proposal.columns == {"prompt": "left side", "completion": "true"}
    assert "'data.columns.prompt=\"left side\"'" in proposal.flags
    assert "'data.columns.completion=\"true\"'" in proposal.flags


def test_two_possible_answers_are_both_offered(tmp_path: Path) -> None:
    with pytest.raises(TailfinError) as caught:
        read_data(write(tmp_path, [{"question": "a", "answer": "b", "response": "c"}]))

    assert "completion from 'answer' or 'response'" in caught.value.message
    assert "data.columns.completion=answer or --set" in caught.value.hint


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "a"}, "a single column"),
        ({"input_ids": [1, 2]}, "token ids"),
        ({"a": "x", "b": "y", "c": "z"}, "not a known layout: 'a', 'b', 'c'"),
    ],
)
def test_columns_without_a_proposal_say_why(
    tmp_path: Path, row: dict[str, object], said: str
) -> None:
    with pytest.raises(TailfinError, match=said) as caught:
        read_data(write(tmp_path, [row]))
    assert not isinstance(caught.value, UnconfirmedMapping)


@pytest.mark.parametrize(
    ("layout", "columns", "said"),
    [
        ("alpaca", {"prompt": "question", "completion": "answer"}, "were both given"),
        ("auto", {"prompt": "question"}, "names no completion"),
        ("auto", {"prompt": "question", "completion": "anwser"}, "has the column 'anwser'"),
        ("auto", {"prompt": "question", "completion": "answer", "label": "x"}, "not a part"),
        ("messages", {}, "No row of .* has the fields of data.format=messages"),
        ("tabular", {}, "no data format 'tabular'"),
        ("columns", {}, "Proposed"),
    ],
)
def test_choices_that_do_not_fit_are_refused(
    tmp_path: Path, layout: str, columns: dict[str, str], said: str
) -> None:
    with pytest.raises(TailfinError, match=said):
        read_data(write(tmp_path, [QA]), layout=layout, columns=columns)


def test_a_misspelt_column_is_corrected(tmp_path: Path) -> None:
    with pytest.raises(TailfinError) as caught:
        read_data(write(tmp_path, [QA]), columns={"prompt": "question", "completion": "anwser"})
    assert "--set data.columns.completion=answer" in caught.value.hint


def test_several_kinds_of_strange_rows_are_told_apart(tmp_path: Path) -> None:
    rows = [ALPACA, {"left": "a", "right": "b"}, {"up": "a", "down": "b"}] * 2
    with pytest.raises(TailfinError, match="mixes layouts") as caught:
        read_data(write(tmp_path, rows))
    assert "with columns 'left', 'right'" in caught.value.message
    assert "with columns 'down', 'up'" in caught.value.message
