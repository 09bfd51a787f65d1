"""Every container and layout reads the same, and what is wrong is said with its place."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from engine.data.read import read_data
from engine.errors import TailfinError

USER = "What is 2 + 2?"
ANSWER = "4, of course.\nReally."
LAYOUTS: dict[str, dict[str, object]] = {
    "messages": {
        "messages": [
            {"role": "user", "content": USER},
            {"role": "assistant", "content": ANSWER},
        ]
    },
    "sharegpt": {
        "conversations": [{"from": "human", "value": USER}, {"from": "gpt", "value": ANSWER}]
    },
    "alpaca": {"instruction": USER, "input": "", "output": ANSWER},
    "prompt_completion": {"prompt": USER, "completion": ANSWER},
}


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Rows in the container that the suffix names, written without the code under test."""
    if path.suffix == ".parquet":
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet

        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            for row in rows:
                table.writerow(
                    {k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()}
                )
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_reads_every_layout_from_every_container(tmp_path: Path, suffix: str, layout: str) -> None:
    path = write(tmp_path / f"rows{suffix}", [LAYOUTS[layout]] * 3)

    data = read_data(path)

    assert (data.container, data.layout, data.num_records) == (suffix[1:], layout, 3)
    assert not data.problems
    for row in data.rows:
        assert row.as_dicts() == [
            {"role": "user", "content": USER},
            {"role": "assistant", "content": ANSWER},
        ]


@pytest.mark.parametrize(
    ("suffix", "lines"),
    [(".json", [2, 7]), (".jsonl", [1, 2]), (".csv", [2, 4]), (".parquet", [0, 0])],
)
def test_rows_know_their_lines(tmp_path: Path, suffix: str, lines: list[int]) -> None:
    data = read_data(write(tmp_path / f"rows{suffix}", [LAYOUTS["alpaca"]] * 2))

    assert [row.line for row in data.rows] == lines
    assert [row.record for row in data.rows] == [0, 1]


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps([LAYOUTS["alpaca"]] * 2))

    data = read_data(path)

    assert data.container == "json"
    assert [p.id for p in data.problems] == ["data.name-mismatch"]


def test_an_object_that_wraps_one_array_is_read_with_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    row = json.dumps(LAYOUTS["alpaca"])
    path.write_text(f'{{"version": {{"a": [1]}},\n "data":\n [\n{row}]}}')

    data = read_data(path)

    assert [(row.line, len(row.messages)) for row in data.rows] == [(4, 2)]
    assert "data.wrapped" in [p.id for p in data.problems]


def test_an_object_with_two_arrays_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('{"train": [{"a": 1}], "test": [{"a": 1}]}')

    with pytest.raises(TailfinError, match="several arrays of rows: 'train', 'test'"):
        read_data(path)


@pytest.mark.parametrize("text", ["%s\n", "\n%s", "  %s  ", "\ufeff%s\n"])
def test_a_single_row_is_no_wrapper(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text % json.dumps(LAYOUTS["messages"]), encoding="utf-8")

    assert len(read_data(path).rows) == 1


def test_alpaca_has_input_system_and_history(tmp_path: Path) -> None:
    row: dict[str, object] = {
        "instruction": "Translate.",
        "input": "Haus",
        "output": "house",
        "system": "You translate.",
        "history": [["Translate dog.", "Hund"]],
    }
    data = read_data(write(tmp_path / "rows.csv", [row]))

    assert [(m.role, m.content) for m in data.rows[0].messages] == [
        ("system", "You translate."),
        ("user", "Translate dog."),
        ("assistant", "Hund"),
        ("user", "Translate.\n\nHaus"),
        ("assistant", "house"),
    ]
    assert [p.id for p in data.problems] == ["data.earlier-answers"]


def test_prompt_and_completion_may_be_turns(tmp_path: Path) -> None:
    row: dict[str, object] = {
        "prompt": [{"role": "user", "content": USER}],
        "completion": [{"role": "assistant", "content": ANSWER}],
    }
    for suffix in (".json", ".csv", ".parquet"):
        data = read_data(write(tmp_path / f"rows{suffix}", [row]))
        assert [m.content for m in data.rows[0].messages] == [USER, ANSWER], suffix


def test_sharegpt_roles_are_mapped(tmp_path: Path) -> None:
    turns = [("system", "S"), ("Human", "a"), ("model", "b"), ("user", "c"), ("chatgpt", "d")]
    row = {"conversations": [{"from": role, "value": text} for role, text in turns]}

    data = read_data(write(tmp_path / "rows.jsonl", [row]))

    roles = [message.role for message in data.rows[0].messages]
    assert roles == ["system", "user", "assistant", "user", "assistant"]


def test_the_default_system_prompt_goes_where_none_is(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        LAYOUTS["alpaca"] | {"system": "own"},
        LAYOUTS["alpaca"] | {"system": ""},
    ]
    data = read_data(write(tmp_path / "rows.json", rows), system="default")

    assert [row.messages[0].content for row in data.rows] == ["own", "default"]


BROKEN_ROWS: list[tuple[str, str, str]] = [
    ('{"prompt": "a", "completion": ""}', "data.empty-answer", "completion"),
    ('{"prompt": "a", "completion": " \\n"}', "data.empty-answer", "completion"),
    ('{"prompt": "a", "completion": null}', "data.null-content", "completion"),
    ('{"prompt": "a", "completion": 4}', "data.wrong-type", "a number, '4'"),
    ('{"prompt": "a", "completion": true}', "data.wrong-type", "true/false"),
    ('{"prompt": "a"}', "data.missing-field", "completion"),
    ('{"prompt": "a", "completion": "\\ud800"}', "data.broken-text", "completion"),
    ('{"prompt": "a", "completion": "b",}', "data.bad-json", "column 35: a trailing comma"),
    ('{"prompt": "a", "completion": "b', "data.bad-json", "never ends"),
    ('{"prompt": "a", "completion": "b\tc"}', "data.bad-json", "a raw line break or tab"),
    ("[1, 2]", "data.not-an-object", "a list"),
    ('{"prompt": [{"role": "user", "content": "a"}], "completion": []}', "data.no-content", ""),
]


@pytest.mark.parametrize(("line", "finding_id", "words"), BROKEN_ROWS)
def test_a_broken_row_is_left_out_and_named(
    tmp_path: Path, line: str, finding_id: str, words: str
) -> None:
    good = json.dumps(LAYOUTS["prompt_completion"])
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{good}\n{line}\n{good}\n")

    data = read_data(path)

    assert [row.line for row in data.rows] == [1, 3]
    assert data.num_records == 3
    [problem] = data.problems
    assert (problem.id, problem.severity) == (finding_id, "fail")
    assert "line 2" in problem.message and words in problem.message
    assert problem.where == f"{path}:2"
    assert "--skip-bad-rows" in problem.fix


BROKEN_TURNS: list[tuple[list[object], str, str]] = [
    ([{"role": "robot", "content": "a"}], "data.unknown-role", "'robot'"),
    (
        [{"role": "tool", "content": "a"}, {"role": "assistant", "content": "b"}],
        "data.role-order",
        "a tool speaks first",
    ),
    ([{"content": "a"}], "data.missing-field", "messages[].role"),
    ([{"role": "user"}], "data.missing-field", "messages[].content"),
    ([{"role": "user", "content": None}], "data.null-content", "messages[].content"),
    ([{"role": "user", "content": ["a"]}], "data.wrong-type", "a list"),
    ([{"role": "user", "content": "a"}], "data.no-answer", "messages"),
    ([{"role": "assistant", "content": "a"}], "data.role-order", "the assistant speaks first"),
    (
        [
            {"role": "user", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "c"},
        ],
        "data.role-order",
        "two user turns in a row",
    ),
    (
        [
            {"role": "user", "content": "a"},
            {"role": "system", "content": "b"},
            {"role": "assistant", "content": "c"},
        ],
        "data.role-order",
        "a system turn that is not the first",
    ),
    (["a"], "data.wrong-type", "text where a turn belongs"),
    ([], "data.no-content", "messages"),
    (
        [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}],
        "data.wrong-type",
        "a call without the name of a function",
    ),
]


@pytest.mark.parametrize(("turns", "finding_id", "words"), BROKEN_TURNS)
def test_broken_turns_are_named(
    tmp_path: Path, turns: list[object], finding_id: str, words: str
) -> None:
    path = write(tmp_path / "rows.jsonl", [LAYOUTS["messages"], {"messages": turns}])

    data = read_data(path)

    assert len(data.rows) == 1
    [problem] = data.problems
    assert (problem.id, problem.severity) == (finding_id, "fail")
    assert words in problem.message and "line 2" in problem.message


def test_an_unanswered_last_turn_only_warns(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    data = read_data(write(tmp_path / "rows.jsonl", [{"messages": turns}]))

    assert len(data.rows) == 1
    assert [(p.id, p.severity) for p in data.problems] == [("data.ends-on-user", "warn")]


def test_faults_of_one_kind_are_counted_together(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [LAYOUTS["alpaca"] | {"output": ""} for _ in range(5)]
    data = read_data(write(tmp_path / "rows.jsonl", [LAYOUTS["alpaca"], *rows]))

    [problem] = data.problems
    assert "5 rows had an empty answer in field output, at lines 2, 3, 4 and 2 more" in (
        problem.message
    )


def test_parquet_faults_name_the_record(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [LAYOUTS["alpaca"], LAYOUTS["alpaca"] | {"output": None}]
    path = write(tmp_path / "rows.parquet", rows)

    [problem] = read_data(path).problems
    assert "at record 1" in problem.message
    assert problem.where == f"{path} record 1"


def test_terminal_escapes_are_data_and_shown_inert(tmp_path: Path) -> None:
    text = "\x1b[31mred\x1b]0;title\x07"
    good = {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": text}]}
    bad = {"messages": [{"role": text, "content": text}]}
    data = read_data(write(tmp_path / "rows.jsonl", [good, bad]))

    assert data.rows[0].messages[1].content == text
    assert "\x1b" not in data.problems[0].message
    assert "\\x1b[31mred" in data.problems[0].message


def test_escapes_in_column_names_are_shown_inert(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{"\x1b[2Ja": 1, "\x1b[2Jb": "x"}])

    with pytest.raises(TailfinError) as caught:
        read_data(path)
    assert "\x1b" not in str(caught.value)


def test_unused_columns_are_told(tmp_path: Path) -> None:
    data = read_data(write(tmp_path / "rows.json", [LAYOUTS["alpaca"] | {"id": 7, "text": "x"}]))

    assert [p.id for p in data.problems] == ["data.unused-columns"]
    assert "'id', 'text'" in data.problems[0].message


def test_fifty_thousand_rows_read_in_seconds(tmp_path: Path) -> None:
    row = {"instruction": "word " * 12, "input": "", "output": "word " * 60}
    path = tmp_path / "rows.jsonl"
    path.write_text((json.dumps(row) + "\n") * 50_000)

    started = time.process_time()
    data = read_data(path)

    assert len(data.rows) == 50_000
    assert time.process_time() - started < 8
