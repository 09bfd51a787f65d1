from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.rows import Message, Row
from engine.errors import TailfinError
from engine.evaluate.delivered import parse_rows
from engine.evaluate.questions import Question, as_questions, read_questions


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_row_is_asked_up_to_its_last_answer() -> None:
    turns = (
        Message("system", "Be kind."),
        Message("user", "One?"),
        Message("assistant", "1"),
        Message("user", "Two?"),
        Message("assistant", "2"),
    )
    (question,) = as_questions([Row(turns, 0, 1)])
    assert question == Question(turns[:4], "2")
    assert question.text == "Two?"


def test_text_files_hold_one_question_per_line(tmp_path: Path) -> None:
    path = _write(tmp_path / "q.txt", "First?\n\n  Second?  \n")
    asked = read_questions(path, system="Be kind.")
    assert [question.text for question in asked] == ["First?", "Second?"]
    assert asked[0].messages[0] == Message("system", "Be kind.")
    assert asked[0].reference == ""


def test_messages_without_an_answer_are_questions(tmp_path: Path) -> None:
    line = json.dumps({"messages": [{"role": "user", "content": "Why?"}]})
    assert read_questions(_write(tmp_path / "q.jsonl", line)) == [
        Question((Message("user", "Why?"),), "")
    ]


def test_a_systems_own_words_are_kept(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Own."}, {"role": "user", "content": "Why?"}]
    path = _write(tmp_path / "q.jsonl", json.dumps({"messages": turns}))
    (question,) = read_questions(path, system="Other.")
    assert [message.content for message in question.messages] == ["Own.", "Why?"]


def test_any_chat_data_gives_questions_with_references(tmp_path: Path) -> None:
    rows = [{"instruction": "Name a fish.", "input": "", "output": "Cod."}]
    (question,) = read_questions(_write(tmp_path / "q.json", json.dumps(rows)))
    assert (question.text, question.reference) == ("Name a fish.", "Cod.")


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    good = json.dumps({"messages": [{"role": "user", "content": "Why?"}]})
    path = _write(tmp_path / "q.jsonl", f'{good}\n{{"messages": [{{"role": "wizard"}}]}}\n')
    with pytest.raises(TailfinError) as caught:
        read_questions(path)
    assert caught.value.where == f"{path}:2"


@pytest.mark.parametrize("name", ["gone.txt", "gone.jsonl"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(TailfinError, match="does not exist"):
        read_questions(tmp_path / name)


def test_a_file_without_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TailfinError, match="holds no question"):
        read_questions(_write(tmp_path / "q.txt", "\n \n"))


@given(st.text(max_size=200))
def test_whatever_a_line_holds_is_rows_or_a_clear_error(text: str) -> None:
    try:
        rows = parse_rows(text, Path("some.jsonl"))
    except TailfinError as error:
        assert error.where.startswith("some.jsonl:")
    else:
        assert all(row.messages for row in rows)


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text()), min_size=1),
        max_size=5,
    )
)
def test_rows_survive_the_way_over_the_disk(rows: list[list[tuple[str, str]]]) -> None:
    lines = [
        json.dumps(
            {"messages": [{"role": r, "content": c} for r, c in row], "record": n, "line": n + 7},
            ensure_ascii=False,
        )
        for n, row in enumerate(rows)
    ]
    read = parse_rows("\n".join(lines), Path("some.jsonl"))
    assert [[(m.role, m.content) for m in row.messages] for row in read] == rows
    assert [row.line for row in read] == [n + 7 for n in range(len(rows))]
